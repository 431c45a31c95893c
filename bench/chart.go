package main

import (
	"fmt"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// A chart is a picture next to RESULTS.md.
type chart struct{ file, title string }

// charts draws what there is to see.
func (r *report) charts(dir string) ([]chart, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var done []chart
	draw := func(c chart, plotted func(title string) (*plot.Plot, error)) error {
		p, err := plotted(c.title)
		if err != nil {
			return fmt.Errorf("chart %s: %w", c.file, err)
		}
		done = append(done, c)
		return p.Save(16*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, c.file))
	}
	if r.cold.tutti.wall > 0 {
		title := fmt.Sprintf("A short command on %d hosts", r.sizes.hosts)
		if err := draw(chart{"peers.svg", title}, r.peersChart); err != nil {
			return nil, err
		}
	}
	if len(r.table) > 0 {
		c := chart{"scale-time.svg", "Wall and CPU over the number of hosts"}
		err := draw(c, func(title string) (*plot.Plot, error) {
			return r.scaleChart(title, "seconds", append([]curve{
				{"tutti, wall", func(s scaleRow) float64 { return s.tutti.wall.Seconds() }},
				{"tutti, CPU", func(s scaleRow) float64 { return s.tutti.cpu.Seconds() }},
				{"bare client, wall", func(s scaleRow) float64 { return s.bare.wall.Seconds() }},
				{"bare client, CPU", func(s scaleRow) float64 { return s.bare.cpu.Seconds() }},
			}, r.peerCurves()...)...)
		})
		if err != nil {
			return nil, err
		}
		err = draw(chart{"scale-memory.svg", "Peak memory over the number of hosts"}, func(title string) (*plot.Plot, error) {
			return r.scaleChart(title, "MiB",
				curve{"tutti", func(s scaleRow) float64 { return mib(s.tutti.rss) }},
				curve{"bare client", func(s scaleRow) float64 { return mib(s.bare.rss) }},
			)
		})
		if err != nil {
			return nil, err
		}
	}
	return done, nil
}

// peersChart has two bars for each contender.
func (r *report) peersChart(title string) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.Y.Label.Text = "seconds"
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	const width = 14
	var names []string
	var wall, cpu plotter.Values
	for _, c := range r.cold.all() {
		names = append(names, c.name)
		wall = append(wall, c.wall.Seconds())
		cpu = append(cpu, c.cpu.Seconds())
	}
	for i, values := range []plotter.Values{wall, cpu} {
		bars, err := plotter.NewBarChart(values, vg.Points(width))
		if err != nil {
			return nil, err
		}
		bars.LineStyle.Width = 0
		bars.Color = plotutil.Color(i)
		bars.Offset = vg.Points(width * (float64(i) - 0.5))
		p.Add(bars)
		p.Legend.Add([]string{"wall", "CPU"}[i], bars)
	}
	p.NominalX(names...)
	return p, nil
}

// peerCurves are the walls of the peers.
func (r *report) peerCurves() []curve {
	var curves []curve
	for i, p := range r.table[0].peers {
		curves = append(curves, curve{p.String() + ", wall", func(s scaleRow) float64 { return s.peers[i].wall.Seconds() }})
	}
	return curves
}

// A curve is a value over the rows of the table, 0 where there is none.
type curve struct {
	name string
	of   func(scaleRow) float64
}

// scaleChart has both axes logarithmic, so that growing with the hosts is a
// straight line.
func (r *report) scaleChart(title, unit string, curves ...curve) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = "hosts", unit
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var args []any
	for _, c := range curves {
		var points plotter.XYs
		for _, row := range r.table {
			if y := c.of(row); y > 0 {
				points = append(points, plotter.XY{X: float64(row.hosts), Y: y})
			}
		}
		if len(points) > 0 {
			args = append(args, c.name, points)
		}
	}
	return p, plotutil.AddLinePoints(p, args...)
}
