package compat

import (
	"fmt"
	"strings"

	"tutti/scheduler"
)

// schedule converts a cronExpr: five fields, six with a year at the end, or seven with
// seconds first and a year at the end. seconds: expression has six fields.
func schedule(cron string) (expression string, seconds bool, err error) {
	fields := strings.Fields(cron)
	if len(fields) == 1 && strings.HasPrefix(cron, "@") {
		switch fields[0] {
		case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly":
			return fields[0], false, nil
		}
		return "", false, fmt.Errorf("cronExpr: want 5 fields, 6 with a year, or 7 with seconds and a year; or @yearly, @monthly, @weekly, @daily, @hourly")
	}
	switch len(fields) {
	case 5:
	case 6, 7:
		last := len(fields) - 1
		if year := fields[last]; year != "*" && year != "?" {
			return "", false, fmt.Errorf("cronExpr: the year must be *: schedules have no year")
		}
		fields = fields[:last]
	default:
		return "", false, fmt.Errorf("cronExpr: %d fields; want 5, 6 with a year, or 7 with seconds and a year", len(fields))
	}
	for i, f := range fields {
		if f == "?" {
			fields[i] = "*"
		}
	}
	return strings.Join(fields, " "), len(fields) == 6, nil
}

// cronExpr is the schedule of a job as schedule reads it: one with seconds has seven
// fields. Several are joined by semicolons, which schedule does not read.
func cronExpr(j *scheduler.Job) string {
	all := make([]string, len(j.Schedules))
	for i, text := range j.Schedules {
		all[i] = text
		if j.Seconds && len(strings.Fields(text)) == 6 {
			all[i] += " *"
		}
	}
	return strings.Join(all, "; ")
}
