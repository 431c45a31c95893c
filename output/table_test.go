package output

import (
	"fmt"
	"strings"
	"testing"
)

func tableText(tb testing.TB, t *Table, width int) string {
	tb.Helper()
	var b strings.Builder
	if err := t.Write(&b, width); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	table := NewTable(Column{Title: "RUN"}, Column{Title: "SELECTOR", Least: 8}, Column{Title: "COMMAND", Least: 10}, Column{Title: "NOTE", Least: 4, Optional: true})
	table.Add("1", "web[01-20].fra,db1", "systemctl restart\nnginx \x1b[2J", "")
	table.Add("12", "日本", strings.Repeat("x", 40), "nightly")
	tests := []struct {
		width int
		want  string
	}{
		{0, "RUN  SELECTOR            COMMAND                                   NOTE\n" +
			"1    web[01-20].fra,db1  systemctl restart nginx ^[[2J\n" +
			"12   日本                xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  nightly\n"},
		{30, "RUN  SELECTOR  COMMAND\n1    web[01-…  systemctl…\n12   日本      xxxxxxxxx…\n"},
		{12, "RUN  SELEC…\n1    web[0…\n12   日本…\n"},
	}
	for _, tt := range tests {
		got := tableText(t, table, tt.width)
		if got != tt.want {
			t.Errorf("in %d columns: got\n%s\nwant\n%s", tt.width, got, tt.want)
		}
	}
	for width := 1; width < 100; width++ {
		for line := range strings.Lines(tableText(t, table, width)) {
			if n := screenWidth(strings.TrimSuffix(line, "\n")); n >= width && width > 1 {
				t.Errorf("in %d columns: got %d in %q", width, n, line)
			}
		}
	}
}

// TestTableCutsTheWidest checks which column gives way.
func TestTableCutsTheWidest(t *testing.T) {
	table := NewTable(Column{Title: "A"}, Column{Title: "B", Least: 3}, Column{Title: "C", Least: 3})
	table.Indent = "  "
	table.Add("fixed", strings.Repeat("b", 10), strings.Repeat("c", 30))
	want := "  A      B           C\n  fixed  bbbbbbbbbb  ccccccccc…\n"
	if got := tableText(t, table, 32); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := tableText(t, NewTable(Column{}, Column{}), 80); got != "" {
		t.Errorf("got %q of an empty table", got)
	}
}

func TestScreenWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, "naïve": 5, "e\u0301": 1, "日本": 4, "한글": 4, "ｆｕｌｌ": 8, "🎼": 2, "…": 1} {
		if got := screenWidth(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := fmt.Sprint(cutTo("日本語", 4), cutTo("日本語", 5), cutTo("abc", 3), cutTo("abc", 1)); got != "日…日本…abc…" {
		t.Errorf("got %q", got)
	}
}
