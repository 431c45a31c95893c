package notify

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// An attempts is an Observer that counts.
type attempts map[Kind]map[Result]int

func (a attempts) Attempted(k Kind, r Result) {
	if a[k] == nil {
		a[k] = map[Result]int{}
	}
	a[k][r]++
}

func TestEveryAttemptIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://good.example/", 2)
		o.put("https://refuses.example/", 1)
		o.put("https://once.example/", 1)
		failed := false
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := attempts{}
		n := Notifier{Outbox: &o, Observer: got, Transport: transport(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.Host == "refuses.example":
				return answer(r, 404)
			case r.Host == "once.example" && !failed:
				failed = true
				return answer(r, 500)
			}
			return answer(r, 200)
		})}
		n.Run(ctx)
		if want := map[Result]int{Sent: 3, Failed: 1, GivenUp: 1}; !maps.Equal(got[Webhook], want) {
			t.Errorf("got %v, want %v", got[Webhook], want)
		}
		if len(got) != 1 {
			t.Errorf("got %v, want webhooks only", got)
		}
	})
}
