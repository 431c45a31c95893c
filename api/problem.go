package api

// A Problem says why a request was refused, as RFC 9457 has it:
// application/problem+json. No value of the request is in it.
type Problem struct {
	// Type is "/problems/NAME", a page that explains it, and Title that in a few
	// words, the same for each problem of the type.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is about this request; absent if the title says it all.
	Detail string `json:"detail,omitempty"`
	// Hint is what the client can do about it; absent if unknown.
	Hint string `json:"hint,omitempty"`
	// Errors are the places in the request that are wrong; absent if it is not
	// about places.
	Errors []ProblemError `json:"errors,omitempty"`
	// Request is the number of the request, which the log has, too.
	Request string `json:"request"`
}

// A ProblemError is a place in a request and what is wrong there.
type ProblemError struct {
	// Pointer is a place in the body, as RFC 6901 has it, and Parameter the name
	// of a parameter in the path, the query or a header. One of them is absent.
	Pointer   *string `json:"pointer,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Message   string  `json:"message"`
}

// At is what is wrong at a place in the body; "" is the whole body.
func At(pointer, message string) ProblemError {
	return ProblemError{Pointer: &pointer, Message: message}
}

// InParameter is what is wrong with a parameter.
func InParameter(name, message string) ProblemError {
	return ProblemError{Parameter: name, Message: message}
}

// ContentType is that of a problem.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// GetStatus is the status that it goes with.
func (p *Problem) GetStatus() int { return p.Status }

// Error is the text of p.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// A List is a page of items.
type List[T any] struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "list"
	// Items are never null.
	Items []T `json:"items"`
	// Next is the cursor of the page that follows; absent after the last.
	Next string `json:"next,omitempty"`
}

// NewList is a page of items, which may be nil.
func NewList[T any](items []T, next string) List[T] {
	if items == nil {
		items = []T{}
	}
	return List[T]{Schema: 1, Type: "list", Items: items, Next: next}
}
