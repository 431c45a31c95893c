package ansible

import (
	"strings"
	"testing"
)

func TestShellWords(t *testing.T) {
	tests := []struct {
		text, want string // the words with | between them
		comments   bool
	}{
		{`a  b	c`, "a|b|c", false},
		{`a "b c" 'd e'f`, "a|b c|d ef", false},
		{`"a\"b\\c\d"`, `a"b\c\d`, false},
		{`'a\b' a\ b \#`, `a\b|a b|#`, true},
		{`a # b`, "a", true},
		{`a#b c`, "a", true},
		{`a "#" b`, "a|#|b", true},
		{`a # b`, "a|#|b", false},
		{`''`, "", false},
		{``, "", false},
	}
	for _, tt := range tests {
		words, err := shellWords(tt.text, tt.comments)
		if err != nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		var got []string
		for _, w := range words {
			got = append(got, w.Text)
		}
		if strings.Join(got, "|") != tt.want {
			t.Errorf("%s: got %q, want %s", tt.text, got, tt.want)
		}
	}
	for text, offset := range map[string]int{`a 'b`: 2, `"a\"`: 0, `ab \`: 3} {
		if _, err := shellWords(text, true); err == nil || err.Offset != offset {
			t.Errorf("%s: got %v, want an error at %d", text, err, offset)
		}
	}
}

func TestINIValue(t *testing.T) {
	tests := []struct {
		text, want string
		null       bool
	}{
		{`x`, `x`, false},
		{`'x y'`, `x y`, false},
		{`"a" 'b' # c`, `ab`, false},
		{`'a`, `'a`, false},
		{`'a' b`, `'a' b`, false},
		{`'it\'s\n\x41\101\q'`, "it's\nAA\\q", false},
		{`r'\n'`, `\n`, false},
		{`u"\xe9"`, "é", false},
		{`'''a'b'''`, `a'b`, false},
		{`f'a'`, `f'a'`, false},
		{`22 # x`, `22`, false},
		{`022 # x`, `022 # x`, false},
		{`22 ; x`, `22 ; x`, false},
		{`bob # x`, `bob # x`, false},
		{`None`, ``, true},
		{`None # x`, ``, true},
		{`none`, `none`, false},
		{``, ``, false},
		{`"`, `"`, false},
		{`r`, `r`, false},
		{`'\`, `'\`, false},
	}
	for _, tt := range tests {
		if got, null := iniValue(tt.text); got != tt.want || null != tt.null {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.text, got, null, tt.want, tt.null)
		}
	}
}

func TestHostsErrors(t *testing.T) {
	tests := []struct {
		text, want string
		offset     int
	}{
		{"web[1:", "[ without ]", 3},
		{"web[1-3]", "want an Ansible range", 4},
		{"web[1:3:0]", "want a number from 1", 4},
		{"web[1:2:3:4]", "want an Ansible range", 4},
		{"web[01:3]", "different zero padding", 4},
		{"web[3:1]", "is reversed", 4},
		{"web[c:a]", "is reversed", 4},
		{"web[1:]", "want a range of numbers", 4},
		{"web[1:a]", "want a range of numbers", 4},
		{"a[1:2]b[0:9999999]", "more than 1000000", 8},
		{"a[0:1000][0:1000]", "more than 1000000", 9},
		{"web:ssh", `"ssh" is not a port`, 4},
		{"web:", `"" is not a port`, 4},
		{"[::1]22", "want :PORT", 5},
	}
	for _, tt := range tests {
		_, _, err := parseHosts(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || err.Offset != tt.offset {
			t.Errorf("%s: got %v, want %s at %d", tt.text, err, tt.want, tt.offset)
		}
	}
}
