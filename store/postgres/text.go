package postgres

import (
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tutti/store/tables"
)

// storable is s as PostgreSQL stores it: U+FFFD stands for NUL and for what is not UTF-8.
func storable(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}

// storableArgs replaces the strings among the arguments of a statement by what is storable
// of them, and the strings of lists.
func storableArgs(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			args[i] = storable(v)
		case *string:
			if v != nil {
				args[i] = storable(*v)
			}
		case []string:
			args[i] = storableList(v)
		case pgx.NamedArgs:
			clean := make(pgx.NamedArgs, len(v))
			for name, value := range v {
				clean[name] = storableArgs([]any{value})[0]
			}
			args[i] = clean
		}
	}
	return args
}

func storableList(list []string) []string {
	if list == nil {
		return nil
	}
	clean := make([]string, len(list))
	for i := range list {
		clean[i] = storable(list[i])
	}
	return clean
}

// Cells of rows, as in every engine on SQL.
var (
	text       = tables.Text
	number     = tables.Number
	timeText   = tables.Time
	parseTime  = tables.ParseTime
	parseTimes = tables.ParseTimes
)

type timeCell = tables.TimeCell
