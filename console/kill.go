package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/internal/hostlist"
)

// mostUnasked is how many hosts may be touched without typing their number.
const mostUnasked = 1000

// A killPage asks whether a run is to be stopped, and shows what became of its hosts.
type killPage struct {
	*runHead
	Groups []groupCard
	// Type is the number that has to be typed; 0: none.
	Type int
	// How is what was asked for: end, or halt.
	How string
	// Killed are the hosts by what was proved; nil: nothing was asked for yet.
	Killed []killed
}

// A killed is hosts in one state of being stopped.
type killed struct {
	State, Text string
	N           int
	Hosts       string
}

// killWords are the states of hosts that are being stopped, those first that need a look.
var killWords = []struct{ state, shown, text string }{
	{"unknown", "lost", "unknown: the host could not be asked whether the command has ended"},
	{"requested", "running", "being stopped"},
	{"running", "running", "goes on to its end: the run was only halted"},
	{"ended", "ok", "ended: nothing of the command is left, or it was never started"},
}

func showKill(v *visit) {
	p := killPageOf(v)
	v.show("kill", "Stop run "+v.r.PathValue("run"), p)
}

func killPageOf(v *visit) *killPage {
	p := &killPage{runHead: headOf(v, "kill")}
	var groups api.List[api.Group]
	if v.get(&groups, at("/runs/{run}/groups", v.r.PathValue("run"))+"?limit=1000") {
		for i := range groups.Items {
			if stateOf(&groups.Items[i]) == "running" {
				p.Groups = append(p.Groups, groupCard{Group: groups.Items[i], Shown: "running"})
			}
		}
		p.Tally = tallyOfGroups(groups.Items)
		if open := p.Tally.N("running") + p.Tally.N("waiting"); open > mostUnasked {
			p.Type = open
		}
	}
	p.CLI = "tutti kill " + v.r.PathValue("run")
	return p
}

func takeKill(v *visit) {
	title := "Stop run " + v.r.PathValue("run")
	p := killPageOf(v)
	if v.problem != nil {
		v.fail(v, v.problem)
		return
	}
	if p.Type > 0 && v.form("again") == "" && !typedNumber(v.form("number"), p.Type) {
		v.problem = &api.Problem{Status: http.StatusUnprocessableEntity, Title: "The number is another", Detail: "type how many hosts have not ended: " + strconv.Itoa(p.Type)}
		v.again("kill", title, p)
		return
	}
	a := v.post(question{
		method: http.MethodPost, path: at("/runs/{run}/kill", v.r.PathValue("run")), body: api.KillRequest{How: v.form("how")}, header: map[string]string{"Prefer": "wait=5"},
	})
	if v.problem != nil {
		v.again("kill", title, p)
		return
	}
	var done api.Killed
	if err := json.Unmarshal(a.body.Bytes(), &done); err != nil {
		v.fail(v, &api.Problem{Status: http.StatusInternalServerError, Title: "The answer cannot be read"})
		return
	}
	p.State, p.Killed, p.How = done.State, killedOf(done.Hosts), v.form("how")
	v.show("kill", title, p)
}

// typedNumber reports whether a text is that number, or one near it: hosts end while one
// types.
func typedNumber(text string, n int) bool {
	typed, err := strconv.Atoi(strings.NewReplacer(",", "", " ", "").Replace(strings.TrimSpace(text)))
	return err == nil && typed >= n && typed <= n+n/2
}

// killedOf are hosts by their state.
func killedOf(hosts []api.KilledHost) []killed {
	var all []killed
	for _, w := range killWords {
		var names []string
		for _, h := range hosts {
			if h.State == w.state {
				names = append(names, h.Host)
			}
		}
		if len(names) > 0 {
			all = append(all, killed{w.shown, w.text, len(names), hostlist.Fold(names)})
		}
	}
	return all
}
