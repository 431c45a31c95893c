package cmd

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/place"
)

// A serverRule is what a command does where $TUTTI_SERVER or --server names a server.
type serverRule int

const (
	// refusesServer: it acts on this machine only, as long as no server can do that for it.
	refusesServer serverRule = iota
	// asksServer: it asks the server.
	asksServer
	// needsNoServer: it is about this machine by its nature, and goes on as without one.
	needsNoServer
)

// serverRules say of each command which rule it has. One that is missing is refused.
var serverRules = map[string]serverRule{
	"tutti":                       needsNoServer,
	"tutti audit":                 asksServer,
	"tutti completion":            needsNoServer,
	"tutti controllers":           asksServer,
	"tutti controllers drain":     asksServer,
	"tutti controllers resume":    asksServer,
	"tutti copy":                  refusesServer,
	"tutti demo":                  needsNoServer,
	"tutti diff":                  asksServer,
	"tutti doctor":                refusesServer,
	"tutti help":                  needsNoServer,
	"tutti history":               asksServer,
	"tutti history prune":         refusesServer,
	"tutti fetch":                 refusesServer,
	"tutti history copy":          refusesServer,
	"tutti hosts":                 asksServer,
	"tutti job":                   needsNoServer, // its help
	"tutti job add":               asksServer,
	"tutti job apply":             asksServer,
	"tutti job edit":              asksServer,
	"tutti job export":            asksServer,
	"tutti job kill":              asksServer,
	"tutti job list":              asksServer,
	"tutti job log":               asksServer,
	"tutti job next":              asksServer,
	"tutti job pause":             asksServer,
	"tutti job resume":            asksServer,
	"tutti job rm":                asksServer,
	"tutti job run":               asksServer,
	"tutti job show":              asksServer,
	"tutti keep":                  needsNoServer,
	"tutti keep list":             needsNoServer,
	"tutti keep serve":            needsNoServer,
	"tutti keep stop":             needsNoServer,
	"tutti kill":                  asksServer,
	"tutti login":                 asksServer,
	"tutti logout":                asksServer,
	"tutti maintenance":           needsNoServer, // its help
	"tutti maintenance list":      refusesServer,
	"tutti maintenance rm":        refusesServer,
	"tutti maintenance set":       refusesServer,
	"tutti ping":                  asksServer,
	"tutti queue":                 asksServer,
	"tutti queue move":            asksServer,
	"tutti rerun":                 asksServer,
	"tutti run":                   asksServer,
	"tutti script":                asksServer,
	"tutti serve":                 needsNoServer,
	"tutti show":                  asksServer,
	"tutti token":                 needsNoServer, // its help
	"tutti token add":             asksServer,
	"tutti token callback-secret": refusesServer,
	"tutti token list":            asksServer,
	"tutti token rm":              asksServer,
	"tutti trust":                 refusesServer,
	"tutti user":                  needsNoServer, // its help
	"tutti user add":              asksServer,
	"tutti user callback-secret":  refusesServer,
	"tutti user disable":          asksServer,
	"tutti user enable":           asksServer,
	"tutti user list":             asksServer,
	"tutti user passwd":           asksServer,
	"tutti user rm":               asksServer,
	"tutti user role":             asksServer,
	"tutti user show":             asksServer,
	"tutti version":               needsNoServer,
	"tutti whoami":                asksServer,
}

// A noServerError says that a command acts on this machine only, where a server was to be
// asked. from is the flag or the variable that says so.
type noServerError struct{ command, from string }

func (e *noServerError) Error() string {
	text := e.command + " does not go through a server yet"
	if strings.HasPrefix(e.from, "$") {
		return text + ", and " + e.from + " is set"
	}
	return text + ": " + e.from + " cannot be used"
}

// usage is e with what can be done.
func (e *noServerError) usage(env bool) error {
	way := "leave out " + e.from
	if env {
		way = "unset TUTTI_SERVER, or add --server ''"
	}
	return hint(usage(e), way+", to act on this machine")
}

// A serverRefusal is the value of a flag about a server of a command that asks none: it
// accepts only that none is to be asked.
type serverRefusal struct {
	cmd    *cobra.Command
	getenv func(string) string
	flag   string
	here   bool // none is to be asked, whatever the environment has
}

func (v *serverRefusal) String() string { return "" }

// Type is what the flags library calls the kind of value.
func (v *serverRefusal) Type() string { return "string" }

// Set refuses a server.
func (v *serverRefusal) Set(text string) error {
	if text == "" && v.flag == "server" {
		v.here = true
		return nil
	}
	return &noServerError{v.cmd.CommandPath(), "--" + v.flag}
}

// check refuses the server of the environment.
func (v *serverRefusal) check() error {
	if v.here || v.getenv("TUTTI_SERVER") == "" {
		return nil
	}
	return (&noServerError{v.cmd.CommandPath(), "$TUTTI_SERVER"}).usage(true)
}

// refuseServers makes cmd, and what is below it, refuse a server where it can ask none.
func refuseServers(cmd *cobra.Command, getenv func(string) string) {
	for _, sub := range cmd.Commands() {
		refuseServers(sub, getenv)
	}
	if serverRules[cmd.CommandPath()] != refusesServer {
		return
	}
	var names place.Server
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	names.AddFlags(all)
	all.VisitAll(func(f *pflag.Flag) {
		f.Value, f.Hidden = &serverRefusal{cmd: cmd, getenv: getenv, flag: f.Name}, true
		cmd.Flags().AddFlag(f)
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, later := cmd.Annotations[flagsBehind]; !later {
			if err := actsHere(cmd); err != nil {
				return err
			}
		}
		return run(cmd, args)
	}
}

// flagsBehind marks commands whose flags are not all read when they are called; words
// reads the others, and checks then.
const flagsBehind = "flags-behind"

// actsHere refuses a command if a server is named that it cannot ask, once all flags
// are read.
func actsHere(cmd *cobra.Command) error {
	f := cmd.Flags().Lookup("server")
	if f == nil {
		return nil
	}
	if refusal, ok := f.Value.(*serverRefusal); ok && !wantsHelp(cmd) {
		return refusal.check()
	}
	return nil
}

// aboutServer reports whether a flag says which server is asked, and how.
func aboutServer(f *pflag.Flag) bool {
	switch f.Name {
	case "server", "token-file", "server-ca", "insecure-http":
		return true
	}
	return false
}

// refusedServer is the error of a flag about a server that was refused; nil: err is
// another.
func refusedServer(cmd *cobra.Command, err error) error {
	refused, ok := errors.AsType[*noServerError](err)
	if !ok {
		return nil
	}
	name := strings.TrimPrefix(refused.from, "--")
	refusal, _ := cmd.Flags().Lookup(name).Value.(*serverRefusal)
	return refused.usage(refusal.getenv("TUTTI_SERVER") != "")
}
