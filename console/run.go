package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tutti/access"
	"tutti/api"
)

// A runHead is what stands above every page of a run.
type runHead struct {
	runRow
	// Facts are settings of the run that are not the usual ones.
	Facts []string
	CLI   string
	// MayKill and MayRerun are what is offered.
	MayKill, MayRerun bool
	Part              string
}

// Head is the head itself: pages of a run embed it.
func (h *runHead) Head() *runHead { return h }

// Live: it has not ended.
func (h *runHead) Live() bool { return !h.State.Ended() }

// Verdict is how it is, or has ended: a state for the sign, and words.
func (h *runHead) Verdict() (x struct{ State, Text string }) {
	switch {
	case h.State == "queued":
		x.State, x.Text = "waiting", "waiting"
	case h.State == "running":
		x.State, x.Text = "running", "running"
	case h.State == "interrupted":
		x.State, x.Text = "lost", "interrupted"
	case h.ExitCode != nil && *h.ExitCode == 0:
		x.State, x.Text = "ok", "finished"
	default:
		x.State, x.Text = "failed", "finished"
		if h.ExitCode != nil {
			x.Text += ", exit " + grouped(*h.ExitCode)
		}
	}
	return x
}

// headOf asks for the run of the path.
func headOf(v *visit, part string) *runHead {
	var run api.Run
	if !v.get(&run, at("/runs/{run}", v.r.PathValue("run"))) {
		return &runHead{}
	}
	h := &runHead{runRow: newRunRow(&run), Part: part}
	h.MayKill = h.Live() && v.mayTo(access.Kill, run.Job)
	h.MayRerun = !h.Live() && v.may(access.Run)
	return h
}

// A groupCard is hosts that answered the same, as the page shows them.
type groupCard struct {
	api.Group
	Shown  string // the state, in the words of states
	Why    string
	Output []chunk
	Open   bool
}

// A runPage is the page of a run.
type runPage struct {
	*runHead
	Groups []groupCard
	// More: there are more groups than are shown.
	More bool
}

func showRun(v *visit) {
	h := headOf(v, "groups")
	number := v.r.PathValue("run")
	var groups api.List[api.Group]
	v.get(&groups, at("/runs/{run}/groups", number)+"?output=head&bytes=2048&limit=1000")
	var plan api.RunPlan
	if v.get(&plan, at("/runs/{run}/plan", number)) {
		h.Facts, h.CLI = facts(plan.Options), runLine(&plan)
	}
	if v.problem != nil {
		v.fail(v, v.problem)
		return
	}
	p := &runPage{runHead: h, Groups: cardsOf(groups.Items), More: groups.Next != ""}
	if len(groups.Items) > 0 && !p.More {
		h.Tally = tallyOfGroups(groups.Items)
	}
	v.show("run", "Run "+number, p)
}

// cardsOf orders groups: bad ones first, then those that have not ended, then ok ones,
// and in each the smallest first.
func cardsOf(groups []api.Group) []groupCard {
	cards := make([]groupCard, 0, len(groups))
	for i := range groups {
		g := &groups[i]
		cards = append(cards, groupCard{Group: *g, Shown: stateOf(g), Why: whyOf(g), Output: chunksOf(g.Output)})
	}
	slices.SortStableFunc(cards, func(a, b groupCard) int {
		return cmp.Or(cmp.Compare(rank(a.Shown), rank(b.Shown)), cmp.Compare(a.Count, b.Count))
	})
	ended := 0
	for i := range cards {
		if cards[i].State == "ended" {
			cards[i].Open = true
			ended++
		}
	}
	if last := len(cards) - 1; ended > 1 && cards[last].Shown == "ok" {
		cards[last].Open = false // what most hosts say is what one expects
	}
	return cards
}

// rank orders states: what one has to look at is first.
func rank(state string) int {
	switch state {
	case "ok":
		return 2
	case "running", "waiting":
		return 1
	}
	return 0
}

// whyOf is how the hosts of a group ended, in words.
func whyOf(g *api.Group) string {
	switch {
	case g.Signal != "":
		return "signal " + g.Signal
	case g.ExitCode != nil && *g.ExitCode != 0:
		return "exit " + grouped(*g.ExitCode)
	case g.Error != "":
		return seen(g.Error)
	}
	return ""
}

// factKeys are the settings that the head of a run names, with the words for them.
var factKeys = [][2]string{
	{"fanout", "fan-out"},
	{"timeout", "timeout"},
	{"deadline", "deadline"},
	{"retries", "retries"},
	{"batch", "batches"},
	{"max-fail", "stops after"},
	{"sudo", "sudo as"},
	{"user", "login as"},
	{"dir", "in"},
}

func facts(options map[string][]string) []string {
	var all []string
	for _, k := range factKeys {
		texts := options[k[0]]
		if texts == nil {
			texts = options[strings.ReplaceAll(k[0], "-", "_")]
		}
		if text := strings.Join(texts, ","); text != "" && text != "0" && text != "0s" && (k[0] != "deadline" || text != "1d") {
			all = append(all, k[1]+" "+text)
		}
	}
	return all
}

// A runHosts is the page of the hosts of a run.
type runHosts struct {
	*runHead
	Rows    []hostRow
	Query   url.Values
	Next    string
	Choices []string
}

// Many: a script shows them in one list, which is better than pages of them.
func (p *runHosts) Many() bool { return p.Hosts > 100 }

// A hostRow is a host of a run in a list.
type hostRow struct {
	api.RunHost
	Shown string
	Why   string
}

func newHostRow(h *api.RunHost) hostRow {
	row := hostRow{RunHost: *h, Shown: pick(h.Outcome, string(h.State))}
	if row.Shown == "retrying" {
		row.Shown = "running"
	}
	switch {
	case h.Signal != "":
		row.Why = "signal " + h.Signal
	case h.ExitCode != nil:
		row.Why = "exit " + grouped(int(*h.ExitCode))
	case h.Error != nil:
		row.Why = seen(h.Error.Message)
	}
	return row
}

// Bytes is how much it wrote.
func (h *hostRow) Bytes() int64 { return h.StdoutBytes + h.StderrBytes }

// hostFilters are those of the list of a run's hosts.
var hostFilters = []string{"outcome", "state", "host", "started"}

func showRunHosts(v *visit) {
	p := &runHosts{runHead: headOf(v, "hosts"), Query: chosen(v.r.URL.Query(), hostFilters...)}
	address := at("/runs/{run}/hosts", v.r.PathValue("run"))
	asked := chosen(v.r.URL.Query(), append([]string{"after"}, hostFilters...)...)
	asked.Set("limit", "100")
	var list api.List[api.RunHost]
	v.get(&list, withQuery(address, asked))
	if v.problem != nil && v.problem.Status == http.StatusUnprocessableEntity {
		v.again("runhosts", "Hosts of run "+v.r.PathValue("run"), p)
		return
	}
	for i := range list.Items {
		p.Rows = append(p.Rows, newHostRow(&list.Items[i]))
	}
	p.Next = nextPage(address, p.Query, list.Next)
	p.CLI = "tutti show " + v.r.PathValue("run")
	v.show("runhosts", "Hosts of run "+v.r.PathValue("run"), p)
}

// A runPlan is the page of how a run was decided.
type runPlan struct {
	*runHead
	Plan    api.RunPlan
	Options []option
}

// An option is a setting with its texts.
type option struct {
	Name  string
	Texts []string
}

func showRunPlan(v *visit) {
	p := &runPlan{runHead: headOf(v, "plan")}
	if v.get(&p.Plan, at("/runs/{run}/plan", v.r.PathValue("run"))) {
		for _, name := range sortedKeys(p.Plan.Options) {
			p.Options = append(p.Options, option{strings.ReplaceAll(name, "-", "_"), p.Plan.Options[name]})
		}
		p.CLI = runLine(&p.Plan)
	}
	v.show("runplan", "Plan of run "+v.r.PathValue("run"), p)
}
