package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tutti/notify"
	"tutti/scheduler"
)

// verify is what a receiver does with a request: the body is believed if it is
// signed with the key, and not older than five minutes.
func verify(r *http.Request, key []byte) (body []byte, ok bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, false
	}
	stamp := r.Header.Get("X-Tutti-Timestamp")
	sent, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return nil, false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	return body, hmac.Equal([]byte(r.Header.Get("X-Tutti-Signature")), []byte(want))
}

func ExampleNotifier() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte("a long random text\n"), 0o600); err != nil {
		panic(err)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := verify(r, []byte("a long random text"))
		if !ok {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var message scheduler.Message
		if err := json.Unmarshal(body, &message); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Println(message.Job, message.Type)
	}))
	defer receiver.Close()

	ctx, cancel := context.WithCancel(context.Background())
	outbox := &one{arrived: cancel, delivery: scheduler.Delivery{
		ID: 1, Attempt: 1,
		Notify:  scheduler.Notify{Webhook: receiver.URL, SecretFile: keyFile},
		Message: scheduler.Message{Schema: 1, Job: "nightly-backup", Type: "failure"},
	}}
	notifier := notify.Notifier{Outbox: outbox}
	notifier.Run(ctx)
	// Output:
	// nightly-backup failure
	// arrived: true
}

// one is an outbox with one message.
type one struct {
	delivery scheduler.Delivery
	taken    bool
	arrived  func()
}

func (o *one) Lease(context.Context, time.Time, time.Time, int) ([]scheduler.Delivery, error) {
	if o.taken {
		return nil, nil
	}
	o.taken = true
	return []scheduler.Delivery{o.delivery}, nil
}

func (o *one) Release(context.Context, []scheduler.Delivery, time.Time) error { return nil }

func (o *one) Delivered(_ context.Context, _ scheduler.Delivery, _ time.Time, err error, _ time.Time) error {
	fmt.Println("arrived:", err == nil)
	o.arrived()
	return nil
}
