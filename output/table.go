package output

import (
	"io"
	"strings"
	"unicode"

	"tutti/internal/sanitize"
)

// A Column is a column of a Table.
type Column struct {
	// Title stands above it; where no column has one there is no such line.
	Title string
	// Least is how far it may be cut where the table is wider than the terminal,
	// in columns of the screen. 0: it is never cut.
	Least int
	// Optional columns are left out, the last first, where cutting is not enough.
	Optional bool
}

// A Table is rows of cells, written in columns. On a terminal it fits the width: cells
// are cut with an ellipsis, the widest column first. Elsewhere nothing is cut. Cells
// are one line each; control characters are made visible.
type Table struct {
	columns []Column
	rows    [][]string
	// Indent stands before each line.
	Indent string
}

// columnGap is the space between two columns.
const columnGap = 2

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Add adds a row. Cells that are missing are empty.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.columns))
	for i, cell := range cells {
		row[i] = sanitize.VisibleLine(cell)
	}
	t.rows = append(t.rows, row)
}

// Write writes the table for a terminal of so many columns; width 0: it is not for
// a terminal, or for one whose width is not known.
func (t *Table) Write(w io.Writer, width int) error {
	rows := t.rows
	if titles, some := t.titles(); some {
		rows = append([][]string{titles}, rows...)
	}
	widths := make([]int, len(t.columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], screenWidth(cell))
		}
	}
	if width > 0 {
		// The last column of a terminal stays free, since some wrap there.
		t.fit(widths, width-1-screenWidth(t.Indent))
	}
	var b strings.Builder
	for _, row := range rows {
		line := t.Indent + strings.TrimRight(t.line(row, widths), " ")
		if width > 0 {
			line = cutTo(line, width-1)
		}
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) titles() (titles []string, some bool) {
	for _, c := range t.columns {
		titles = append(titles, c.Title)
		some = some || c.Title != ""
	}
	return titles, some
}

// leftOut is the width of a column that is not shown.
const leftOut = -1

// fit makes widths so small that a line has room.
func (t *Table) fit(widths []int, room int) {
	for over := lineWidth(widths) - room; over > 0; over = lineWidth(widths) - room {
		if widest := t.widest(widths); widest >= 0 {
			widths[widest]--
			continue
		}
		last := t.lastOptional(widths)
		if last < 0 {
			return
		}
		widths[last] = leftOut
	}
}

// widest is the widest of the columns that may be cut further, -1 without one.
func (t *Table) widest(widths []int) int {
	widest := -1
	for i, c := range t.columns {
		if c.Least > 0 && widths[i] > c.Least && (widest < 0 || widths[i] > widths[widest]) {
			widest = i
		}
	}
	return widest
}

func (t *Table) lastOptional(widths []int) int {
	for i := len(t.columns) - 1; i >= 0; i-- {
		if t.columns[i].Optional && widths[i] != leftOut {
			return i
		}
	}
	return -1
}

func lineWidth(widths []int) int {
	total := -columnGap
	for _, w := range widths {
		if w != leftOut {
			total += w + columnGap
		}
	}
	return total
}

func (t *Table) line(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		if widths[i] == leftOut {
			continue
		}
		cell = cutTo(cell, widths[i])
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(0, widths[i]-screenWidth(cell))+columnGap))
	}
	return b.String()
}

// cutTo is text in at most so many columns of the screen.
func cutTo(text string, width int) string {
	if screenWidth(text) <= width {
		return text
	}
	used := 0
	for i, r := range text {
		if used += runeWidth(r); used > width-1 {
			return strings.TrimRight(text[:i], " ") + "…"
		}
	}
	return text
}

// screenWidth is how many columns a visible text needs.
func screenWidth(text string) int {
	width := 0
	for _, r := range text {
		width += runeWidth(r)
	}
	return width
}

// runeWidth is how many columns r needs: combining marks none, East Asian characters
// and pictographs two.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul),
		r >= 0x3000 && r <= 0x303e, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1faff:
		return 2
	}
	return 1
}
