package runner

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/inventory"
	"tutti/store"
)

// A Previous is the run that a rerun repeats, and how. It is nil for other runs.
type Previous struct {
	Run   store.Run
	Hosts []string // those that are meant
	Yes   bool     // go on without those that have left the inventory

	// Running are those of Hosts on which the command may still be running, so that a
	// rerun would run it twice at once.
	Running []string
}

// PreviousRun is run, to be repeated on its hosts with one of the outcomes; nil: on
// all.
func PreviousRun(ctx context.Context, s Records, run store.Run, outcomes []fanout.Outcome) (*Previous, error) {
	p := &Previous{Run: run}
	var err error
	if p.Hosts, err = s.HostsOf(ctx, strconv.FormatInt(run.ID, 10), "", outcomes); err != nil {
		return nil, err
	}
	results, err := s.Results(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	for i := range results {
		r := &results[i]
		f := r.Report.Failure
		unknown := r.Outcome == fanout.Lost || r.Report.Started && f != nil && f.Remote == fanout.RemoteUnknown
		if unknown && slices.Contains(p.Hosts, r.Target.Name) {
			p.Running = append(p.Running, r.Target.Name)
		}
	}
	return p, nil
}

// OutcomesAgain are the wanted outcomes that at least one host of run ended with; nil
// wanted: all that are not ok.
func OutcomesAgain(run store.Run, wanted []fanout.Outcome) []fanout.Outcome {
	var outcomes []fanout.Outcome
	for _, o := range fanout.Outcomes() {
		again := o != fanout.OK
		if wanted != nil {
			again = slices.Contains(wanted, o)
		}
		if again && run.Summary.Counts[o] > 0 {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes
}

// knowsInventory reports whether the hosts of the run came from files.
func (p *Previous) knowsInventory() bool { return p != nil && p.Run.Inventory != "" }

// inventory is the files that the hosts of the run came from. Files that the run's
// command did not name are not trusted more now than they were then: found are the
// files that a command without an inventory would use here.
func (p *Previous) inventory(found []inventory.File) []inventory.File {
	if joinPaths(found) == p.Run.Inventory {
		return found
	}
	var files []inventory.File
	for _, path := range filepath.SplitList(p.Run.Inventory) {
		files = append(files, inventory.File{Path: path, Trust: inventory.Found})
	}
	return files
}

// check refuses an inventory that some of the hosts have left. If all have, the
// selection says so.
func (p *Previous) check(inv *inventory.Inventory) error {
	if p == nil {
		return nil
	}
	var missing []string
	for _, name := range p.Hosts {
		if _, ok := inv.Host(name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 || len(missing) == len(p.Hosts) || p.Yes {
		return nil
	}
	return fault.Advise(fault.Usagef("of the %d hosts to repeat, no longer in the inventory: %s", len(p.Hosts), hostlist.Fold(missing)),
		AdviceHostsLeft)
}
