package server_test

import (
	"net/http"
	"testing"

	"tutti/store"
)

// A range of bytes is served as HTTP has it, or refused plainly.
func TestOutputRangeHeader(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, func(string) string { return "0123456789" })
	const at = "/runs/1/hosts/web1/output"
	for _, tt := range []struct{ header, path, accept, want, span string }{
		{"bytes=0-3", at, "", "0123", "bytes 0-3/10"},
		{"bytes=4-", at, "*/*", "456789", "bytes 4-9/10"},
		{"Bytes=8-99", at, "application/octet-stream", "89", "bytes 8-9/10"},
		{"bytes=-3", at + "?download", "", "789", "bytes 7-9/10"},
		{"bytes=-99", at + "?stream=stdout", "", "0123456789", "bytes 0-9/10"},
	} {
		w := r.ask(t, "GET", tt.path, "", "Range", tt.header, "Accept", tt.accept)
		if w.Code != http.StatusPartialContent || w.Body.String() != tt.want || w.Header().Get("Content-Range") != tt.span || w.Header().Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s: got %d %q, %v", tt.header, w.Code, w.Body, w.Header())
		}
		checkInert(t, w)
	}
	for _, tt := range []struct{ header, path, accept, problem, span string }{
		{"bytes=10-", at, "", "range", "bytes */10"},
		{"bytes=0-", at + "?stream=stderr", "", "range", "bytes */0"},
		{"bytes=0-1,4-5", at, "", "range", ""},
		{"bytes=5-3", at, "", "range", ""},
		{"bytes=-0", at, "", "range", ""},
		{"bytes=+1-2", at, "", "range", ""},
		{"bytes=3", at, "", "range", ""},
		{"bytes=", at, "", "range", ""},
		{"bytes=0-1", at + "?offset=3", "", "invalid", ""},
		{"bytes=0-1", at, "application/json", "invalid", ""},
		{"bytes=0-1", at, "text/plain", "invalid", ""},
	} {
		w := r.ask(t, "GET", tt.path, "", "Range", tt.header, "Accept", tt.accept)
		if r.refused(t, w, tt.problem); w.Header().Get("Content-Range") != tt.span {
			t.Errorf("%s: got %v", tt.header, w.Header())
		}
	}
	// What is not about bytes, or depends on a validator, is ignored, as HTTP wants it.
	for _, header := range [][]string{{"Range", "lines=1-2"}, {"Range", "bytes=0-1", "If-Range", `"x"`}} {
		w := r.ask(t, "GET", at, "", append(header, "Accept", "application/octet-stream")...)
		if w.Code != http.StatusOK || w.Body.Len() != 10 || w.Header().Get("Accept-Ranges") != "bytes" {
			t.Errorf("%v: got %d %q, %v", header, w.Code, w.Body, w.Header())
		}
	}
}

// Where the history lacks bytes a range ends, and none begins there.
func TestOutputRangeOfGaps(t *testing.T) {
	r := newRig(t)
	text := make([]byte, 256<<10)
	for i := range text {
		text[i] = 'a' + byte(i%23)
	}
	r.record(t, store.RunInfo{RecordLimit: 64 << 10}, func(string) string { return string(text) })
	const at = "/runs/1/hosts/web1/output"
	w := r.ask(t, "GET", at, "", "Range", "bytes=10-")
	n := w.Body.Len()
	if w.Code != http.StatusPartialContent || n == 0 || n >= len(text)-10 || w.Body.String() != string(text[10:10+n]) {
		t.Fatalf("got %d and %d bytes, %v", w.Code, n, w.Header())
	}
	r.refused(t, r.ask(t, "GET", at, "", "Range", "bytes=100000-100009"), "range")
	w = r.ask(t, "GET", at, "", "Range", "bytes=-10")
	if w.Body.String() != string(text[len(text)-10:]) || w.Header().Get("Content-Range") != "bytes 262134-262143/262144" {
		t.Errorf("got %d %q, %v", w.Code, w.Body, w.Header())
	}
}

// A name for a file is given with the query alone.
func TestDownload(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	for query, want := range map[string]string{
		"?download": `attachment; filename="run-1-web1.txt"`, "?download=": `attachment; filename="run-1-web1.txt"`,
		"?download=true": `attachment; filename="run-1-web1.txt"`, "?download=false": "", "": "",
	} {
		w := r.ask(t, "GET", "/runs/1/hosts/web1/output"+query, "")
		if got := w.Header().Get("Content-Disposition"); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: got %d %q, want %q", query, w.Code, got, want)
		}
	}
	r.refused(t, r.ask(t, "GET", "/runs/1/hosts/web1/output?download=maybe", ""), "invalid")
}
