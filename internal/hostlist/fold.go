package hostlist

import (
	"cmp"
	"slices"
	"strings"
)

// maxFields is how many numbers of a name may vary in one range expression;
// earlier ones are taken as they stand.
const maxFields = 8

// Fold writes names as short as it can, as a comma-separated list in natural
// order: web[01-07,09-20].fra. Names that differ in several numbers fold in
// each of them: rack[1-2]n[1-3]. Zero padding is kept, since web1 and web01 are
// two names. [Expand] gives back the same set of names, each once.
func Fold(names []string) string {
	if text, ok := foldSorted(names); ok {
		return text
	}
	return foldAny(names)
}

// foldSorted is Fold for names that differ in one number only, which has the same digits
// in each and grows. Most lists are such, and it takes a tenth of the time.
func foldSorted(names []string) (text string, ok bool) {
	if len(names) < 2 {
		return "", false
	}
	_, fields := fieldsOf(names[0])
	if len(fields) != 1 {
		return "", false
	}
	start, end := fields[0].start, fields[0].end
	prefix, suffix := names[0][:start], names[0][end:]
	var b strings.Builder
	b.WriteString(prefix + "[")
	first, last := names[0][start:end], int64(0)
	for i, name := range names {
		if len(name) != len(names[0]) || name[:start] != prefix || name[end:] != suffix || len(digits(name[start:])) != end-start {
			return "", false
		}
		n := Number(name[start:end])
		switch {
		case i > 0 && n <= last:
			return "", false
		case i > 0 && n > last+1:
			writeRange(&b, first, names[i-1][start:end])
			b.WriteByte(',')
			first = name[start:end]
		}
		last = n
	}
	writeRange(&b, first, names[len(names)-1][start:end])
	b.WriteString("]" + suffix)
	return b.String(), true
}

func writeRange(b *strings.Builder, first, last string) {
	b.WriteString(first)
	if first != last {
		b.WriteByte('-')
		b.WriteString(last)
	}
}

// foldAny is Fold for any names.
func foldAny(names []string) string {
	groups, order, literal := groupNames(names)
	folded := make([]foldedName, 0, len(order)+len(literal))
	for _, name := range literal {
		folded = append(folded, foldedName{first: name, text: name})
	}
	for _, key := range order {
		folded = groups[key].fold(folded)
	}
	slices.SortFunc(folded, func(a, b foldedName) int {
		return cmp.Or(compareNatural(a.first, b.first), strings.Compare(a.text, b.text))
	})
	var b strings.Builder
	for i, f := range folded {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f.text)
	}
	return b.String()
}

// A foldedName is a piece of the result, and the first of its names.
type foldedName struct{ first, text string }

// A foldGroup is the names that differ in their numbers only.
type foldGroup struct {
	// literals stand around the fields: one more than there are fields.
	literals []string
	rows     []foldRow
}

// A foldRow is one or more names: what stands in each field, a number or a
// range in brackets, and what stands there in the first of the names.
type foldRow struct{ fields, first []string }

// groupNames sorts distinct names into groups, and returns the keys of groups in
// order, and the names that do not fold: those without a number and those with
// characters, such as brackets, that are not a name's.
func groupNames(names []string) (groups map[string]*foldGroup, order, literal []string) {
	groups = make(map[string]*foldGroup)
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		key, fields := fieldsOf(name)
		if len(fields) == 0 {
			literal = append(literal, name)
			continue
		}
		g := groups[key]
		if g == nil {
			g = &foldGroup{literals: literalsOf(name, fields)}
			groups[key] = g
			order = append(order, key)
		}
		row := foldRow{fields: make([]string, len(fields))}
		for i, f := range fields {
			row.fields[i] = name[f.start:f.end]
		}
		row.first = row.fields
		g.rows = append(g.rows, row)
	}
	return groups, order, literal
}

// A span is a number's place in a name.
type span struct{ start, end int }

// fieldsOf finds the numbers in a name that may vary, and returns the name with
// a mark in place of each of them, too.
func fieldsOf(name string) (key string, fields []span) {
	if !ValidName(name) {
		return "", nil
	}
	for i := 0; i < len(name); i++ {
		if !isDigit(name[i]) {
			continue
		}
		n := len(digits(name[i:]))
		if n <= maxDigits {
			fields = append(fields, span{i, i + n})
		}
		i += n - 1
	}
	fields = fields[max(0, len(fields)-maxFields):]
	b := make([]byte, 0, len(name))
	at := 0
	for _, f := range fields {
		b = append(append(b, name[at:f.start]...), 0)
		at = f.end
	}
	return string(append(b, name[at:]...)), fields
}

// literalsOf is what stands around the fields of a name.
func literalsOf(name string, fields []span) []string {
	literals := make([]string, 0, len(fields)+1)
	at := 0
	for _, f := range fields {
		literals = append(literals, name[at:f.start])
		at = f.end
	}
	return append(literals, name[at:])
}

// fold appends the group's folded names.
func (g *foldGroup) fold(to []foldedName) []foldedName {
	for _, field := range g.fieldOrder() {
		g.foldField(field)
	}
	for _, row := range g.rows {
		to = append(to, foldedName{first: g.join(row.first), text: g.join(row.fields)})
	}
	return to
}

// fieldOrder returns the fields that vary, the most varied first: what is folded
// first folds best, and that is where it counts.
func (g *foldGroup) fieldOrder() []int {
	n := len(g.literals) - 1
	distinct := make([]int, n)
	var order []int
	for f := range n {
		values := make(map[string]struct{})
		for _, row := range g.rows {
			values[row.fields[f]] = struct{}{}
		}
		distinct[f] = len(values)
		if len(values) > 1 {
			order = append(order, f)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(distinct[b]-distinct[a], b-a)
	})
	return order
}

// foldField unites the rows that are equal in all fields but one. Their names
// are the product of what stands in the fields, before and after, so the set of
// names stays the same.
func (g *foldGroup) foldField(field int) {
	byRest := make(map[string][]foldRow)
	var order []string
	var key []byte
	for _, row := range g.rows {
		key = key[:0]
		for i, text := range row.fields {
			if i != field {
				key = append(append(key, text...), ' ')
			}
		}
		if _, ok := byRest[string(key)]; !ok {
			order = append(order, string(key))
		}
		byRest[string(key)] = append(byRest[string(key)], row)
	}
	rows := make([]foldRow, 0, len(order))
	for _, k := range order {
		rows = append(rows, unite(byRest[k], field))
	}
	g.rows = rows
}

// unite makes one row of several that differ in one field only.
func unite(rows []foldRow, field int) foldRow {
	if len(rows) == 1 {
		return rows[0]
	}
	slices.SortFunc(rows, func(a, b foldRow) int { return compareDigits(a.fields[field], b.fields[field]) })
	numbers := make([]string, len(rows))
	for i, row := range rows {
		numbers[i] = row.fields[field]
	}
	fields := slices.Clone(rows[0].fields)
	fields[field] = "[" + foldNumbers(numbers) + "]"
	return foldRow{fields: fields, first: rows[0].first}
}

// A run is consecutive numbers of one padding.
type run struct {
	first, last string
	width       int
}

// foldNumbers writes numbers, which are distinct and in order, as ranges. Each
// number continues the run that would come to its very text next, so that 9, 09
// and 10 are told apart.
func foldNumbers(numbers []string) string {
	var runs []run
	next := make(map[string]int, 2)
	for _, text := range numbers {
		i, ok := next[text]
		if ok {
			delete(next, text)
			runs[i].last = text
		} else {
			i = len(runs)
			runs = append(runs, run{first: text, last: text, width: Padding(text)})
		}
		next[string(appendPadded(nil, Number(text)+1, runs[i].width))] = i
	}
	var b strings.Builder
	for i, r := range runs {
		if i > 0 {
			b.WriteByte(',')
		}
		writeRange(&b, r.first, r.last)
	}
	return b.String()
}

// join writes a row's fields between the group's literals.
func (g *foldGroup) join(fields []string) string {
	var b strings.Builder
	for i, f := range fields {
		b.WriteString(g.literals[i])
		b.WriteString(f)
	}
	b.WriteString(g.literals[len(fields)])
	return b.String()
}
