package event

import "tutti/fanout"

// A FileFinished is what became of a file of a transfer, "file_finished". It stands in
// place of the line of output that says so.
type FileFinished struct {
	Head
	Host    string `json:"host"`
	Attempt int    `json:"attempt"`
	// Path on the host; of a directory it ends with a slash.
	Path string `json:"path"`
	// Bytes is the size, absent for a directory, and of what failed or was skipped.
	Bytes *int64 `json:"bytes,omitempty"`
	// SHA256 of the content, in hexadecimal; absent if it has none or is not known.
	SHA256 string `json:"sha256,omitempty"`
	// State is "sent", "unchanged", "failed", "skipped", or "would_send" where it was
	// only looked.
	State string `json:"state"`
	// As is the name on this machine, if that had to be another one; else absent.
	As string `json:"as,omitempty"`
	// Error is why it failed or was skipped; else absent.
	Error string `json:"error,omitempty"`
}

// NewFileFinished is the form of f, of which o is output.
func NewFileFinished(o Output, f fanout.File) FileFinished {
	v := FileFinished{
		Head: o.Head, Host: o.Host, Attempt: o.Attempt,
		Path: f.Path, SHA256: f.SHA256, State: f.State, As: f.As, Error: f.Error,
	}
	v.Type = "file_finished"
	if f.State == fanout.FileWouldSend {
		v.State = "would_send"
	}
	if f.Counts() {
		v.Bytes = &f.Bytes
	}
	return v
}
