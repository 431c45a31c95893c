package console

import (
	"encoding/json"
	"slices"
)

// A chart shows how long the newest runs of a job took, oldest first, as bars.
type chart struct {
	Bars []chartBar
	// Half and Most are the heights of the median and of the 95th percentile, from above,
	// and P50 and P95 what they are, in milliseconds.
	Half, Most int
	P50, P95   int64
	Width      int
	// JSON is the same for a script, with when each run started.
	JSON string
}

// chartData is what a script draws; times are in seconds.
type chartData struct {
	Runs []chartRun `json:"runs"`
	P50  int64      `json:"p50"`
	P95  int64      `json:"p95"`
}

type chartRun struct {
	Run   int64   `json:"run"`
	At    float64 `json:"at"`
	MS    int64   `json:"ms"`
	State string  `json:"state"`
}

// A chartBar is a run.
type chartBar struct {
	X, Y, H int
	State   string
	Run     int64
	MS      int64
}

// The chart's units are pixels of a viewport as wide as it has bars.
const (
	chartHeight = 80
	barStep     = 10
)

// chartOf makes a chart of firings, newest first; without two runs that have ended it has
// no bars.
func chartOf(firings []firingRow) chart {
	var ran []firingRow
	var took []int64
	for i := len(firings) - 1; i >= 0; i-- {
		if f := firings[i]; f.DurationMS != nil {
			ran, took = append(ran, f), append(took, *f.DurationMS)
		}
	}
	if len(ran) < 2 {
		return chart{}
	}
	slices.Sort(took)
	top := max(1, took[len(took)-1])
	height := func(ms int64) int { return int(max(2, ms*(chartHeight-4)/top)) }
	c := chart{P50: took[len(took)/2], P95: took[(len(took)*95-1)/100], Width: max(40, len(ran)) * barStep}
	c.Half, c.Most = chartHeight-height(c.P50), chartHeight-height(c.P95)
	data := chartData{P50: c.P50, P95: c.P95}
	for i := range ran {
		h := height(*ran[i].DurationMS)
		c.Bars = append(c.Bars, chartBar{i*barStep + 1, chartHeight - h, h, ran[i].Shown(), ran[i].Run, *ran[i].DurationMS})
		if at, ok := timeOf(ran[i].StartedAt); ok {
			data.Runs = append(data.Runs, chartRun{ran[i].Run, float64(at.UnixMilli()) / 1000, *ran[i].DurationMS, ran[i].Shown()})
		}
	}
	if len(data.Runs) > 1 {
		text, _ := json.Marshal(data) // it has nothing that JSON has not
		c.JSON = string(text)
	}
	return c
}
