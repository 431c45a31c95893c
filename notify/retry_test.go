package notify

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tutti/scheduler"
)

func TestAgain(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	trouble := errors.New("trouble")
	webhook, command := scheduler.Notify{Webhook: "https://x.example/"}, scheduler.Notify{Command: "true"}
	tests := []struct {
		name    string
		notify  scheduler.Notify
		attempt int
		age     time.Duration
		err     error
		least   time.Duration // -1: never
		most    time.Duration
	}{
		{"arrived", webhook, 1, 0, nil, -1, 0},
		{"refused", webhook, 1, 0, fmt.Errorf("x.example: %w", refusal{trouble}), -1, 0},
		{"first", webhook, 1, 0, trouble, time.Second, 1500 * time.Millisecond},
		{"fourth", webhook, 4, 0, trouble, 8 * time.Second, 12 * time.Second},
		{"late", webhook, 60, time.Hour, trouble, maxDelay, maxDelay * 3 / 2},
		{"a day old", webhook, 12, 25 * time.Hour, trouble, -1, 0},
		{"a day old and hardly tried", webhook, 2, 25 * time.Hour, trouble, 2 * time.Second, 3 * time.Second},
		{"asked to wait", webhook, 1, 0, postponement{trouble, time.Minute}, time.Minute, time.Minute},
		{"asked to wait less than we do", webhook, 4, 0, postponement{trouble, time.Second}, 8 * time.Second, 12 * time.Second},
		{"asked to wait for ever", webhook, 1, 0, postponement{trouble, 1000 * time.Hour}, maxWish, maxWish},
		{"cut off", webhook, 99, 99 * time.Hour, fmt.Errorf("x.example: %w", errStopping), 0, 0},
		{"command", command, 3, 0, trouble, 4 * time.Second, 6 * time.Second},
		{"command for the fourth time", command, 4, 0, trouble, -1, 0},
		{"no attempt", webhook, 0, 0, trouble, time.Second, 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := scheduler.Delivery{Attempt: tt.attempt, Notify: tt.notify, Message: scheduler.Message{Time: now.Add(-tt.age)}}
			got := sending{d, tt.err}.again(now)
			if tt.least < 0 {
				if !got.IsZero() {
					t.Errorf("got %s, want never", got)
				}
				return
			}
			if wait := got.Sub(now); wait < tt.least || wait > tt.most {
				t.Errorf("got a wait of %s, want %s to %s", wait, tt.least, tt.most)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		text string
		want time.Duration
	}{
		{"", 0},
		{"120", 2 * time.Minute},
		{"0", 0},
		{"-5", 0},
		{"99999999999999999999", 0},
		{"soon", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"Sun, 01 Mar 2026 11:00:00 GMT", 0},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.text, now); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}
