package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tutti/access"
	"tutti/api"
)

// A fleetRow is a host in a list.
type fleetRow struct {
	api.FleetHost
	// Alone: it is a page of its own.
	Alone bool
}

// Sign is that of its health.
func (h *fleetRow) Sign() string {
	switch h.Health.State {
	case "reachable":
		return "ok"
	case "unreachable":
		return "unreachable"
	}
	return "lost"
}

// A hostList is the page of hosts.
type hostList struct {
	Rows     []fleetRow
	Query    url.Values
	Filtered bool
	Next     string
	CLI      string
}

func showHosts(v *visit) {
	query := chosen(v.r.URL.Query(), "selector", "health")
	p := &hostList{Query: query, Filtered: len(query) > 0, CLI: "tutti hosts"}
	if selector := query.Get("selector"); selector != "" {
		p.CLI += " " + shellWord(selector)
	}
	var list api.List[api.FleetHost]
	v.get(&list, withQuery("/hosts", chosen(v.r.URL.Query(), "selector", "health", "after")))
	if v.problem != nil && v.problem.Status == http.StatusUnprocessableEntity {
		v.again("hosts", "Hosts", p)
		return
	}
	for i := range list.Items {
		p.Rows = append(p.Rows, fleetRow{FleetHost: list.Items[i]})
	}
	p.Next = nextPage("/hosts", query, list.Next)
	v.show("hosts", "Hosts", p)
}

// A hostPage is the page of a host.
type hostPage struct {
	fleetRow
	Runs []api.HostRun
	Key  string
	CLI  string
}

func showHost(v *visit) {
	name := v.r.PathValue("host")
	var h api.FleetHostDetails
	v.get(&h, at("/hosts/{host}", name))
	v.show("host", name, &hostPage{fleetRow: fleetRow{h.FleetHost, true}, Runs: h.Runs, Key: newKey(), CLI: "tutti hosts " + shellWord(name)})
}

// pingHost logs in to a host, and goes on to that run.
func pingHost(v *visit) {
	a := v.post(question{method: http.MethodPost, path: at("/hosts/{host}/ping", v.r.PathValue("host")), header: map[string]string{"Idempotency-Key": v.form("key")}})
	if v.problem != nil {
		v.fail(v, v.problem)
		return
	}
	leaveForRun(v, a)
}

// restHost puts a host into maintenance, or takes it out.
func restHost(v *visit) {
	name := v.r.PathValue("host")
	q := question{method: http.MethodDelete, path: at("/hosts/{host}/maintenance", name)}
	if v.form("do") != "end" {
		q.method, q.body = http.MethodPut, api.MaintenanceRequest{Until: strings.TrimSpace(v.form("until")), Note: strings.TrimSpace(v.form("note"))}
	}
	act(v, q, at("/hosts/{host}", name))
}

// A queuePage is the page of the runs that run and wait, and of the daemons.
type queuePage struct {
	Running, Waiting []queueRow
	Daemons          []controllerRow
	CLI              string
}

// A queueRow is a run that runs or waits.
type queueRow struct {
	runRow
	Item    api.QueueItem
	MayKill bool
}

// waitWords are why a run waits.
var waitWords = map[string]string{
	"turn": "for its turn: others are before it", "start": "to be started", "secrets": "for secrets that only its daemon had", "daemon": "for a daemon",
}

// Waits is why it waits.
func (r *queueRow) Waits() string { return pick(waitWords[r.Item.WaitsFor], r.Item.WaitsFor) }

func showQueue(v *visit) {
	p := &queuePage{CLI: "tutti queue"}
	var list api.List[api.QueueItem]
	v.get(&list, "/queue?limit=200")
	for i := range list.Items {
		item := &list.Items[i]
		row := queueRow{runRow: newRunRow(&item.Run), Item: *item, MayKill: v.mayTo(access.Kill, item.Run.Job)}
		if item.Run.State == "queued" {
			p.Waiting = append(p.Waiting, row)
		} else {
			p.Running = append(p.Running, row)
		}
	}
	var daemons api.List[api.Controller]
	if v.get(&daemons, "/controllers") {
		for _, c := range daemons.Items {
			p.Daemons = append(p.Daemons, controllerRow{c})
		}
	} else if v.problem.Status == http.StatusForbidden { // of who is limited to jobs
		v.problem = nil
	}
	v.show("queue", "Queue", p)
}

// moveRun changes the priority of a run that waits.
func moveRun(v *visit) {
	n, err := strconv.Atoi(strings.TrimSpace(v.form("priority")))
	if err != nil {
		v.fail(v, &api.Problem{Status: http.StatusUnprocessableEntity, Title: "The priority is no number", Hint: "want -1000 to 1000; the highest is first"})
		return
	}
	act(v, question{method: http.MethodPatch, path: at("/queue/{run}", v.r.PathValue("run")), body: api.MoveRequest{Priority: n}}, "/queue")
}
