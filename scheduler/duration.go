package scheduler

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// parseDuration reads "90s", "10m", "2h" or "30d", never less than nothing.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok && isDigits(days) {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n > math.MaxInt64/int64(day) {
			return 0, fmt.Errorf("%s is too long", clipped(text))
		}
		return time.Duration(n) * day, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && isDigits(text):
		return 0, fmt.Errorf("%s has no unit; write %[1]ss for seconds or %[1]sm for minutes", clipped(text))
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration such as 30s, 5m, 2h or 7d", clipped(text))
	case d < 0:
		return 0, fmt.Errorf("%s is less than nothing", clipped(text))
	}
	return d, nil
}

// formatDuration is the shortest text that parseDuration reads as d.
func formatDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
