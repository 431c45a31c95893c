package compat

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/jobs"
	"tutti/server"
	"tutti/server/operation"
	"tutti/store"
)

// fake is a Tasks, and the jobs, of which everything fails.
type fake struct {
	store.Views
	server.Jobs
	err   error
	panic any
	run   store.Run
}

func (f *fake) fail() error {
	if f.panic != nil {
		panic(f.panic)
	}
	return f.err
}

func (f *fake) Submit(context.Context, *access.Principal, *Request) (int64, error) {
	return 1, f.fail()
}

func (f *fake) Find(context.Context, *access.Principal, string) (int64, error) { return 1, f.fail() }

func (f *fake) Ended(context.Context, int64) (store.Run, error) { return f.run, f.fail() }

func (f *fake) List(context.Context) ([]jobs.View, error) { return nil, f.fail() }

func (f *fake) Log(context.Context, store.FiringQuery) ([]store.FiringRow, error) {
	return nil, f.fail()
}

// pages serves the endpoints over a fake, for an admin.
func pages(f *fake) http.Handler {
	h := &Handler{
		Tasks: f, Jobs: f, MaxWait: time.Minute, Logger: slog.New(slog.DiscardHandler), CheckCallback: func(string) error { return nil },
		Admit: func(*http.Request, access.Action) (access.Principal, error) {
			return access.Principal{Name: "ann", Role: access.Admin, TaskSelector: "web"}, nil
		},
		Audited: func(r *http.Request, _ *access.Principal, _ string) context.Context { return r.Context() },
	}
	mux := http.NewServeMux()
	for pattern, page := range h.Pages() {
		mux.Handle(pattern, page)
	}
	return mux
}

func ask(h http.Handler, method, path, media, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Content-Type", media)
	h.ServeHTTP(w, r)
	return w
}

// An error of the server is never answered with 500, which is the failure of a command,
// and its text is not in the answer.
func TestOurFaultsAreNever500(t *testing.T) {
	const canary = "canary-that-must-not-leak"
	tooMany := operation.Kind{Name: "x", Title: "Too many requests", Status: http.StatusTooManyRequests}.Fail("")
	tooMany.Header = http.Header{"Retry-After": {"3"}}
	for _, tt := range []struct {
		name   string
		fake   fake
		status int
		retry  string
		text   string
	}{
		{"unknown", fake{err: errors.New(canary)}, 503, "5", "nternal error on the server"},
		{"panic", fake{panic: canary}, 503, "5", "nternal error on the server"},
		{"busy", fake{err: store.ErrBusy}, 503, "2", "busy"},
		{"disk full", fake{err: store.ErrFull}, 503, "60", "space"},
		{"queue full", fake{err: &store.QueueFullError{Most: 100}}, 503, "5", "too many runs"},
		{"stopping", fake{err: context.Canceled}, 503, "5", "stopping"},
		{"too often", fake{err: tooMany}, 429, "3", "Too many"},
		{"it goes on", fake{run: store.Run{ID: 1, State: store.Queued}}, 503, "5", "repeat the request with the same id"},
		{"pruned", fake{err: &store.NoRunError{Ref: "1", Newest: 9}}, 410, "", "deleted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(pages(&tt.fake), "POST", "/task", "application/json", `{"command":"x"}`)
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry || w.Header().Get(OutcomeHeader) != "" {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
			var got Task
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Status != failed || !strings.Contains(got.Error, tt.text) || strings.Contains(got.Error, canary) {
				t.Errorf("got %s, %v, want %q", w.Body, err, tt.text)
			}
			if tt.fake.err == nil && tt.fake.panic == nil {
				return
			}
			// The forms say all in the body.
			for _, path := range []string{"/job/list", "/job/log?name=x"} {
				w := ask(pages(&tt.fake), "GET", path, "", "")
				var got answer
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Errno != -1 || got.Msg == "" || strings.Contains(got.Msg, canary) {
					t.Errorf("%s: got %d %s, %v", path, w.Code, w.Body, err)
				}
			}
		})
	}
}

// A form is read from the body: what stands in the URL is in logs.
func TestFormsAreBodies(t *testing.T) {
	w := ask(pages(&fake{}), "POST", "/job/delete?name=backup", "application/x-www-form-urlencoded", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "name is missing in the form") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	w = ask(pages(&fake{}), "POST", "/job/delete", "application/x-www-form-urlencoded", url.Values{"name": {strings.Repeat("x", 2*maxForm)}}.Encode())
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"errno":-1`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		cron, want string
		seconds    bool
		wrong      string
	}{
		{"*/5 * * * *", "*/5 * * * *", false, ""},
		{"  0  3 * *  1-5 ", "0 3 * * 1-5", false, ""},
		{"0 3 * * * *", "0 3 * * *", false, ""},
		{"0 3 ? * MON ?", "0 3 * * MON", false, ""},
		{"*/10 * * * * * *", "*/10 * * * * *", true, ""},
		{"@daily", "@daily", false, ""},
		{"0 3 * * * 2030", "", false, "year"},
		{"0 0 3 * * * 2030-2040", "", false, "year"},
		{"@every 1m", "", false, "2 fields"},
		{"@reboot", "", false, "5 fields"},
		{"", "", false, "0 fields"},
		{"* * * *", "", false, "4 fields"},
		{"* * * * * * * *", "", false, "8 fields"},
	} {
		got, seconds, err := schedule(tt.cron)
		if got != tt.want || seconds != tt.seconds || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%q: got %q, %t, %v", tt.cron, got, seconds, err)
		}
	}
}

// Whatever a body is, the answer is JSON and never 500 without an outcome.
func FuzzTask(f *testing.F) {
	for _, body := range []string{`{"command":"x"}`, `{"command":"x","timeout":1e308}`, `{"command":"x","timeout":-0}`, `[]`, `null`, `"`, "{\"command\":\"\xff\"}", `{"id":{}}`, `{"COMMAND":"x","command":""}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := ask(pages(&fake{run: store.Run{ID: 1, State: store.Running}}), "POST", "/task", "application/json", body)
		switch w.Code {
		case 202, 400, 413, 422, 503:
		default:
			t.Errorf("%q: got %d %s", body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: got %q", body, w.Body)
		}
	})
}
