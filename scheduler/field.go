package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tutti/internal/yamltree"
)

// The fields of an expression, in their order.
const (
	second = iota
	minute
	hour
	dayOfMonth
	month
	dayOfWeek
	year
	fieldCount
)

// A fieldKind is what the fields of one place may hold.
type fieldKind struct {
	name     string
	min, max int
	// names stand for numbers from min on; their first three letters do, too.
	names []string
	// advice is added when a number is out of range.
	advice map[int]string
}

var (
	monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
	dayNames   = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
)

// The week ends with a second Sunday, 7.
var fieldKinds = [fieldCount]fieldKind{
	second:     {name: "second", max: 59, advice: map[int]string{60: "the minute's first second is 0"}},
	minute:     {name: "minute", max: 59, advice: map[int]string{60: "the full hour is minute 0"}},
	hour:       {name: "hour", max: 23, advice: map[int]string{24: "midnight is hour 0"}},
	dayOfMonth: {name: "day of month", min: 1, max: 31, advice: map[int]string{0: "the first day is 1"}},
	month:      {name: "month", min: 1, max: 12, names: monthNames, advice: map[int]string{0: "January is 1"}},
	dayOfWeek:  {name: "day of week", max: 7, names: dayNames},
	year:       {name: "year", min: firstYear, max: lastYear},
}

// A field is what one field of an expression matches.
type field struct {
	kind   *fieldKind
	text   string // as written
	column int    // of its first character, from 1
	// star: the whole field is * or ?, so that it matches everything.
	star bool
	// starred: the field has a * in it, as in */5.
	starred bool
	// begins: its first character is a *.
	begins bool
	// every is the n of a field that is */n, else 0.
	every  int
	values []int // in order, each once; none of a Sunday is 7

	// Only days have these, each in order and once.
	last, lastWorkday bool  // L, LW
	workdays          []int // 15W
	lastOf            []int // 5L: the month's last Friday
	nth               []int // 5#2: the month's second Friday, as 10*2 + 5
}

// restricted reports whether there are values that the field does not match.
func (f *field) restricted() bool { return !f.star }

// plain is the field in numbers, without ranges and steps.
func (f *field) plain() string {
	if f.star {
		return "*"
	}
	var items []string
	for _, v := range f.values {
		items = append(items, strconv.Itoa(v))
	}
	if f.last {
		items = append(items, "L")
	}
	if f.lastWorkday {
		items = append(items, "LW")
	}
	for _, v := range f.workdays {
		items = append(items, strconv.Itoa(v)+"W")
	}
	for _, v := range f.lastOf {
		items = append(items, strconv.Itoa(v)+"L")
	}
	for _, v := range f.nth {
		items = append(items, fmt.Sprintf("%d#%d", v%10, v/10))
	}
	return strings.Join(items, ",")
}

// A fieldParser reads one field.
type fieldParser struct {
	field
	seen map[int]bool
}

// parseField parses text, which begins at column. The error does not have the text of
// the whole expression yet.
func parseField(kind *fieldKind, text string, column int) (field, *SyntaxError) {
	p := fieldParser{field: field{kind: kind, text: text, column: column, begins: strings.HasPrefix(text, "*")}, seen: make(map[int]bool)}
	items := strings.Split(text, ",")
	for _, item := range items {
		if err := p.item(item, column, len(items) == 1); err != nil {
			return field{}, err
		}
		column += len(item) + 1
	}
	p.values = slices.Sorted(maps.Keys(p.seen))
	for _, list := range []*[]int{&p.workdays, &p.lastOf, &p.nth} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return p.field, nil
}

func (p *fieldParser) item(text string, column int, alone bool) *SyntaxError {
	switch text {
	case "":
		return badf(column, "missing %s between commas", p.kind.name)
	case "*", "?":
		return p.all(text, column, alone)
	}
	base, step, stepped := strings.Cut(text, "/")
	n := 1
	if stepped {
		var err *SyntaxError
		if n, err = p.step(step, base, column+len(base)+1); err != nil {
			return err
		}
	}
	low, high, ranged := strings.Cut(base, "-")
	switch {
	case base == "*":
		p.starred = true
		if alone {
			p.every = n
		}
		p.add(p.kind.min, p.top(), n)
		return nil
	case ranged:
		return p.span(low, high, n, column)
	case !stepped && p.special(base):
		return nil
	}
	v, err := p.value(base, column)
	if err != nil {
		return err
	}
	if stepped {
		if p.kind == &fieldKinds[dayOfWeek] {
			v %= 7 // a week begins with Sunday, whichever number it has
		}
		p.add(v, p.top(), n)
	} else {
		p.add(v, v, 1)
	}
	return nil
}

// all parses * and ?.
func (p *fieldParser) all(text string, column int, alone bool) *SyntaxError {
	switch {
	case !alone:
		return hintf("remove the rest of the list, or the %s", text).at(column, "%s already means every %s", text, p.kind.name)
	case text == "?" && p.kind != &fieldKinds[dayOfMonth] && p.kind != &fieldKinds[dayOfWeek]:
		return hintf("write *").at(column, "? is for days only")
	}
	p.star, p.starred = true, text == "*"
	return nil
}

// top is the largest value of the field; of the week it is 7, Sunday as 0 is.
func (p *fieldParser) top() int {
	if p.kind == &fieldKinds[dayOfWeek] {
		return p.kind.max - 1
	}
	return p.kind.max
}

// add adds each n-th value from low to high.
func (p *fieldParser) add(low, high, n int) {
	for v := low; v <= high; v += n {
		if p.kind == &fieldKinds[dayOfWeek] {
			p.seen[v%7] = true
		} else {
			p.seen[v] = true
		}
	}
}

func (p *fieldParser) step(text, base string, column int) (int, *SyntaxError) {
	n, ok := number(text)
	most := p.top() - p.kind.min
	switch {
	case !ok:
		return 0, badf(column, "step %q: want a number, as in */5", text)
	case n == 0:
		return 0, hintf("remove %q, or write */1", "/"+text).at(column, "a step cannot be 0")
	case n > most:
		return 0, hintf("%s", p.stepAdvice(base)).at(column, "a step of %s exceeds the largest %s, %d", text, p.kind.name, p.top())
	}
	return n, nil
}

// stepAdvice says what to write instead of a step that is too large.
func (p *fieldParser) stepAdvice(base string) string {
	switch p.kind {
	case &fieldKinds[second], &fieldKinds[minute], &fieldKinds[hour]:
		return "for longer intervals, use @every, such as @every 90m"
	}
	if base == "*" {
		base = strconv.Itoa(p.kind.min)
	}
	return fmt.Sprintf("write only %s", base)
}

// span reads a range.
func (p *fieldParser) span(low, high string, n, column int) *SyntaxError {
	if strings.EqualFold(low, "L") {
		return hintf("the last day is L, the last workday LW").at(column, "counting days from the end of the month is not supported")
	}
	a, err := p.value(low, column)
	if err != nil {
		return err
	}
	b, err := p.value(high, column+len(low)+1)
	if err != nil {
		return err
	}
	if p.kind == &fieldKinds[dayOfWeek] {
		// A week may begin and end with Sunday.
		if b == 0 && a > 0 {
			b = 7
		}
		if a == 7 && b < 7 {
			a = 0
		}
	}
	if a > b {
		return hintf("did you mean %q?", p.around(low, high, a, b, n)).at(column, "the range %s-%s is reversed", low, high)
	}
	p.add(a, b, n)
	return nil
}

// around returns what to write instead of a range that wraps, such as 22-2.
func (p *fieldParser) around(low, high string, a, b, n int) string {
	if n > 1 {
		var items []string
		for v := a; v <= p.top()+1+b-p.kind.min; v += n {
			w := v
			if v > p.top() {
				w = v - p.top() - 1 + p.kind.min
			}
			items = append(items, strconv.Itoa(w))
		}
		return strings.Join(items, ",")
	}
	first, last := strconv.Itoa(p.kind.min), strconv.Itoa(p.top())
	if names := p.kind.names; names != nil && !isDigits(low) {
		first, last = names[0][:3], names[len(names)-1][:3]
	}
	head, tail := low+"-"+last, first+"-"+high
	if a == p.top() {
		head = low
	}
	if b == p.kind.min {
		tail = high
	}
	return head + "," + tail
}

// value reads a number or a name.
func (p *fieldParser) value(text string, column int) (int, *SyntaxError) {
	if v, ok := number(text); ok {
		if v < p.kind.min || v > p.kind.max {
			return 0, hintf("%s", p.kind.advice[v]).at(column, "%[2]s %[1]s: want %[3]d to %[4]d", text, p.kind.name, p.kind.min, p.kind.max)
		}
		return v, nil
	}
	if v, ok := p.name(text); ok {
		return v, nil
	}
	switch {
	case text == "":
		return 0, badf(column, "missing %s", p.kind.name)
	case isDigits(text):
		return 0, badf(column, "%[2]s %[1]s: want %[3]d to %[4]d", clipped(text), p.kind.name, p.kind.min, p.kind.max)
	}
	near := ""
	if n := yamltree.Nearest(text, p.kind.names); n != "" {
		near = fmt.Sprintf("did you mean %q?", n[:3])
	}
	return 0, hintf("%s", near).at(column, "unknown %[2]s %[1]q", clipped(text), p.kind.name)
}

// name reads the name of a month or a day of the week.
func (p *fieldParser) name(text string) (int, bool) {
	lower := strings.ToLower(text)
	for i, name := range p.kind.names {
		if lower == name || lower == name[:3] {
			return p.kind.min + i, true
		}
	}
	return 0, false
}

// special reads L, LW, 15W, 5L and 5#2, and reports whether text is one of them.
func (p *fieldParser) special(text string) bool {
	upper := strings.ToUpper(text)
	switch p.kind {
	case &fieldKinds[dayOfMonth]:
		if upper == "L" || upper == "LW" {
			p.last = p.last || upper == "L"
			p.lastWorkday = p.lastWorkday || upper == "LW"
			return true
		}
		digits, ok := strings.CutSuffix(upper, "W")
		v, isNumber := number(digits)
		if !ok || !isNumber || v < 1 || v > 31 {
			return false
		}
		p.workdays = append(p.workdays, v)
		return true
	case &fieldKinds[dayOfWeek]:
		if day, ok := strings.CutSuffix(upper, "L"); ok {
			return p.weekday(&p.lastOf, day, 0)
		}
		day, week, ok := strings.Cut(upper, "#")
		if n, isNumber := number(week); ok && isNumber && n >= 1 && n <= 5 {
			return p.weekday(&p.nth, day, n)
		}
	}
	return false
}

// weekday adds a day of the week in the given week.
func (p *fieldParser) weekday(list *[]int, text string, week int) bool {
	v, ok := number(text)
	if !ok {
		v, ok = p.name(text)
	}
	if !ok || v > 7 {
		return false
	}
	*list = append(*list, 10*week+v%7)
	return true
}

// number reads up to four digits.
func number(text string) (int, bool) {
	if !isDigits(text) || len(text) > 4 {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// clipped is text short enough for an error.
func clipped(text string) string {
	const longest = 40
	if len(text) <= longest {
		return text
	}
	return text[:longest] + "…"
}
