package fanout

import "time"

// TimeLayout is how times are written that are kept or sent: in UTC, to the
// millisecond. It has a fixed width, so that text sorts as time does.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime writes t so.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeLayout) }
