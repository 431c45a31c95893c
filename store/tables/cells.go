package tables

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"net/url"
	"time"

	"tutti/fanout"
)

// Time is a time as it is stored; NULL for the zero time.
func Time(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return fanout.FormatTime(t)
}

// ParseTime is the zero time for NULL.
func ParseTime(s sql.NullString) (time.Time, error) {
	if !s.Valid {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, s.String)
}

// A TimeCell is a time as it was read, and where it goes.
type TimeCell struct {
	To   *time.Time
	From sql.NullString
}

// ParseTimes is ParseTime for several.
func ParseTimes(cells ...TimeCell) (err error) {
	for _, c := range cells {
		var wrong error
		*c.To, wrong = ParseTime(c.From)
		err = cmp.Or(err, wrong)
	}
	return err
}

// Text is NULL for the empty string.
func Text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Number is NULL for 0.
func Number(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// List is a list as JSON; NULL for none.
func List(list []string) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(list)
	return string(data), err
}

// ParseList reads what List wrote.
func ParseList(s sql.NullString) (list []string, err error) {
	if s.Valid {
		err = json.Unmarshal([]byte(s.String), &list)
	}
	return list, err
}

// The kinds of receivers of a message.
const (
	KindWebhook = "webhook"
	KindCommand = "command"
)

// Redacted is a webhook without what may be a password: many have one in their path.
func Redacted(webhook string) string {
	u, err := url.Parse(webhook)
	if err != nil || u.Host == "" {
		return "an invalid URL"
	}
	return u.Scheme + "://" + u.Host + "/…"
}
