package ansible

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tutti/internal/hostlist"
)

// Programs name groups and hosts after what people have typed into clouds: with
// spaces, slashes, umlauts. No selector can name these; the rest of the inventory
// is none the worse for them.

// merelyOdd reports whether a name has only characters that are common in names. A name
// that a shell or a program could interpret is refused.
func merelyOdd(name string) bool {
	return name != "" && name[0] != '-' && !strings.HasPrefix(name, "run:") && !hostlist.ValidName(name) &&
		!strings.ContainsAny(name, "`\"'$&;|<>(){}*?\\") && !strings.ContainsFunc(name, unicode.IsControl)
}

// checkGroup returns an error for a group that is refused, and whether one that is
// not has a name that no selector can have.
func (r *programReader) checkGroup(name string) (odd bool, err error) {
	mistake := checkGroup(name)
	switch {
	case mistake == nil:
		return false, nil
	case !merelyOdd(name):
		return false, mistake
	}
	r.leaveOut("group", name, mistake)
	return true, nil
}

// leaveOut warns of a host that is left out, or of a group that cannot be selected; the
// group's variables still apply to its hosts.
func (r *programReader) leaveOut(what, name string, err *hostlist.SyntaxError) {
	const most = 20
	if slices.Contains(r.leftOut, what+name) {
		return
	}
	switch r.leftOut = append(r.leftOut, what+name); {
	case len(r.leftOut) <= most:
		r.warnOnce(fmt.Sprintf("%s: the %s %s is left out: %v", r.source.file.Path, what, hostlist.Quote(name), err))
	case len(r.leftOut) == most+1:
		r.warnOnce(r.source.file.Path + ": more hosts and groups are left out because of their names")
	}
}

// shownAs are the groups that can be selected and hold what g holds: g itself, or
// those around it if it is hidden.
func (g *group) shownAs() []*group {
	var list []*group
	queue, seen := []*group{g}, map[*group]bool{g: true}
	for i := 0; i < len(queue); i++ {
		if !queue[i].hidden {
			list = append(list, queue[i])
			continue
		}
		for _, parent := range queue[i].parents {
			if !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	return list
}
