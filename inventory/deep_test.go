package inventory

import (
	"fmt"
	"strings"
	"testing"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// TestDeepInputIsRefused: an input may be nested to any depth, and a stack overflow
// would end the process, the daemon included.
func TestDeepInputIsRefused(t *testing.T) {
	const many, deep = 3_000_000, 100_000
	ranges := strings.Repeat("[1]", many)
	refused := func(name string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.300v, want %s, and no more than that", name, err, want)
		}
	}
	_, err := hostlist.Expand(ranges)
	refused("Expand", err, "a name with more than 50 ranges")
	_, err = ParseHosts(ranges)
	refused("ParseHosts", err, "a name with more than 50 ranges")
	_, err = ParseSelector(ranges)
	refused("ParseSelector", err, "a name with more than 50 ranges")
	_, err = ParseSelector("~" + strings.Repeat("(", many))
	refused("regular expression", err, "longer than 10000 characters")
	_, err = ParseSelector("~" + strings.Repeat("(", 4000) + strings.Repeat(")", 4000))
	refused("nesting in a regular expression", err, "nest")
	_, err = ParseHosts("a" + strings.Repeat("b", many) + "[1-1000000]")
	refused("long name", err, "longer than 1000 characters")
	_, err = layer.ParseJump(strings.Repeat("a,", many) + "a")
	refused("ParseJump", err, "more than 32 jump hosts")
	for name, text := range map[string]string{
		"list":           ranges + "\n",
		"list.ini":       "[web]\n" + strings.Repeat("[1:1]", deep) + "\n",
		"hosts.yaml":     "hosts: [\"" + ranges + "\"]\n",
		"flow.yaml":      "hosts: " + strings.Repeat("[", deep) + "\n",
		"maps.yaml":      "hosts: " + strings.Repeat("{a: ", deep) + "\n",
		"sequences.yaml": "hosts:\n" + strings.Repeat("- ", deep) + "\n",
		"children.yaml":  "all: " + strings.Repeat("{children: {a: ", deep) + "\n",
		"groups.yaml":    groupChain("groups:\n", "  g%d: {groups: [g%d]}\n", 20_000),
		"groups.ini":     groupChain("", "[g%d:children]\ng%d\n", 20_000),
	} {
		_, err := loadAs(t, name, text)
		refused(name, err, "")
	}
	inv := load(t, "hosts: [web1]")
	_, _, err = selectHosts(t, inv, "@"+write(t, "items", ranges), SelectOptions{})
	refused("items in a file", err, "a name with more than 50 ranges")
}

// groupChain is groups that lie in each other.
func groupChain(begin, format string, n int) string {
	var b strings.Builder
	b.WriteString(begin)
	for i := range n {
		fmt.Fprintf(&b, format, i, i+1)
	}
	fmt.Fprintf(&b, strings.Split(format, "\n")[0]+"\n", n, 0)
	return b.String()
}

// TestDeepProgram: a program may print anything, too.
func TestDeepProgram(t *testing.T) {
	for _, body := range []string{
		`head -c 3000000 /dev/zero | tr '\0' '['`,
		`printf '{"a": '; head -c 3000000 /dev/zero | tr '\0' '['`,
		`printf '{"a": ["'; head -c 3000000 /dev/zero | tr '\0' 'x'; printf '"]}'`,
	} {
		_, err := loadScript(t, body)
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.300v, want a short error", body, err)
		}
	}
}
