package jsondoc

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

type inner struct {
	A int    `json:"a"`
	B *inner `json:"b,omitempty"`
}

type base struct {
	Type string `json:"type"`
}

type printed struct {
	base
	Own    inner           `json:"own"`
	List   []inner         `json:"list,omitempty"`
	Texts  []string        `json:"texts"`
	Raw    json.RawMessage `json:"raw"`
	Time   time.Time       `json:"time"`
	Any    map[string]any  `json:"any"`
	Nested *described      `json:"nested"`
	Hidden int             `json:"-"`
	unseen int
}

type described struct {
	Schema int    `json:"schema"`
	Type   string `json:"type"`
	More   int    `json:"more"`
}

func TestFields(t *testing.T) {
	want := []string{"type", "own", "own.a", "own.b", "list", "list[].a", "list[].b", "texts", "raw", "time", "any", "nested"}
	if got := Fields(printed{unseen: 1}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParse(t *testing.T) {
	got := parse("# T\n\n| `x` | no section |\n\n## a_b\n\n| field | value |\n|---|---|\n| `one` | 1 |\n| `two[].x` | `2` |\n\n## `c`\n\n| `three` | 3 |\n")
	if !slices.Equal(got["a_b"], []string{"one", "two[].x"}) || !slices.Equal(got["c"], []string{"three"}) || len(got) != 2 {
		t.Errorf("got %q", got)
	}
}
