package console

import (
	"net/http"

	"tutti/api"
	"tutti/internal/quantity"
)

// A controllerRow is a daemon on the page of the queue.
type controllerRow struct{ api.Controller }

// controllerWords are why a daemon takes nothing from the queue.
var controllerWords = map[string]string{
	"draining": "draining", "runs": "full of runs", "hosts": "full of hosts", "memory": "short of memory",
}

// Does is what the daemon does with what is new.
func (r *controllerRow) Does() string {
	switch {
	case r.Draining && r.Runs == 0:
		return "drained"
	case r.Draining:
		return "draining"
	case r.Skewed():
		return "decides nothing: its clock is off"
	case r.WaitsFor != "":
		return pick(controllerWords[r.WaitsFor], r.WaitsFor)
	}
	return "ready"
}

// Sign is the sign beside it.
func (r *controllerRow) Sign() string {
	switch {
	case r.Skewed():
		return "failed"
	case r.Draining, r.WaitsFor == "memory":
		return "waiting"
	}
	return "ok"
}

// Clock is how far its clock is off; empty: it is not.
func (r *controllerRow) Clock() string {
	switch {
	case r.SkewMS > 0:
		return quantity.FormatDuration(r.Skew()) + " ahead"
	case r.SkewMS < 0:
		return quantity.FormatDuration(-r.Skew()) + " behind"
	}
	return ""
}

// drainController has a daemon start nothing any more, or runs again.
func drainController(v *visit) {
	q := question{method: http.MethodPut, path: at("/controllers/{controller}/drain", v.r.PathValue("controller"))}
	if v.form("do") == "resume" {
		q.method = http.MethodDelete
	}
	act(v, q, "/queue")
}
