package operation

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// leastScrubbed is the shortest value that is taken out of a text, in bytes: shorter ones
// are in every text.
const leastScrubbed = 4

// scrub takes the values of the request out of a failure. Errors of the program may name
// what they are about; the client knows what it sent, and its log should not have it.
func (f *Failure) scrub(values []string) {
	f.Detail = scrubText(f.Detail, values)
	f.Hint = scrubText(f.Hint, values)
	f.Errors = slices.Clone(f.Errors)
	for i := range f.Errors {
		f.Errors[i].Message = scrubText(f.Errors[i].Message, values)
	}
}

// scrubText is text without values, where they are whole words.
func scrubText(text string, values []string) string {
	for _, value := range values {
		from := 0
		for {
			at := strings.Index(text[from:], value)
			if at < 0 {
				break
			}
			at += from
			end := at + len(value)
			if !boundary(text[:at], text[end:]) {
				from = at + 1
				continue
			}
			text = text[:at] + "…" + text[end:]
			from = at + len("…")
		}
	}
	return text
}

// boundary reports whether what stands between before and after is no part of a
// longer word.
func boundary(before, after string) bool {
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	return !inWord(last) && !inWord(first)
}

// valuesOf are the texts in a request, the longest first.
func valuesOf(r *http.Request, body []byte) []string {
	var values []string
	known := map[string]bool{}
	add := func(text string) {
		if len(text) >= leastScrubbed && !known[text] {
			known[text] = true
			values = append(values, text)
		}
	}
	if query, err := url.ParseQuery(r.URL.RawQuery); err == nil {
		for _, texts := range query {
			for _, text := range texts {
				add(text)
			}
		}
	}
	var parsed any
	if json.Unmarshal(body, &parsed) == nil {
		eachText(parsed, add)
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	const most = 1000
	return values[:min(len(values), most)]
}

// eachText calls visit with each text of a value of JSON that is no key.
func eachText(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, item := range v {
			eachText(item, visit)
		}
	case map[string]any:
		for _, item := range v {
			eachText(item, visit)
		}
	}
}
