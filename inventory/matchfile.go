package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// file adds the hosts of the items in a file, one on each line.
func (m *matcher) file(it item, set hostSet) error {
	f, err := os.Open(it.path)
	if err != nil {
		return fmt.Errorf("read the hosts in %s: %w", it, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := layer.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read the hosts in %s: %w", it, err)
	}
	if err := checkText(it.path, data); err != nil {
		return err
	}
	r := itemFileReader{matcher: m, path: it.path, set: set}
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		r.number++
		w := hostlist.Trim(line, 0, len(withoutComment(line)))
		if w.Text == "" {
			continue
		}
		if err := r.line(line, w); err != nil {
			return err
		}
	}
	return r.end(it)
}

// An itemFileReader reads a file of items.
type itemFileReader struct {
	*matcher
	path   string
	number int // of the line
	set    hostSet
	// found counts the items that match; if any does, the file is one of names.
	found int
	// missed is the last item that matches nothing, and missedAt its line.
	missed   *NoMatchError
	missedAt int
}

// line adds the hosts of a line of a file.
func (r *itemFileReader) line(line string, w hostlist.Word) error {
	// The file may not be one of names, so nothing of it is quoted.
	fail := func(offset int, mistake *yamltree.Mistake) error {
		at := yamltree.Pos{File: r.path, Line: r.number, Column: hostlist.Column(line, w.Offset+offset)}
		return yamltree.Bare(yamltree.Errorf(at, "%v", mistake))
	}
	if r.ctx.Err() != nil { // a file may have very many lines
		return context.Cause(r.ctx)
	}
	items, mistake := parseItems(w.Text)
	if mistake != nil {
		return fail(mistake.Offset, mistake.Mistake)
	}
	for _, it := range items {
		if it.op != opAdd {
			return fail(0, yamltree.Mistakef("a file contains plain items, without & or !"))
		}
		if it.kind == itemFile || it.kind == itemRun {
			return fail(0, yamltree.Mistakef("a file cannot refer to files or runs"))
		}
		var none *NoMatchError
		switch err := r.match(it, r.set); {
		case errors.As(err, &none):
			r.missed, r.missedAt = none, r.number
		case err != nil:
			return err
		default:
			r.found++
		}
	}
	return nil
}

// end returns what matches nothing.
func (r *itemFileReader) end(it item) error {
	switch {
	case r.missed == nil && r.found == 0:
		return &NoMatchError{Item: it.text, reason: "contains no hosts: the file is empty", known: true}
	case r.missed == nil:
		return nil
	case r.found == 0:
		return &NoMatchError{Item: it.text, reason: fmt.Sprintf("contains nothing that is in the inventory (%s:%d)", r.path, r.missedAt), plain: "contains nothing that is in the inventory"}
	}
	located := *r.missed
	located.plain = located.Reason()
	located.reason += fmt.Sprintf(" (%s:%d)", r.path, r.missedAt)
	return &located
}
