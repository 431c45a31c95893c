package hosts

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/internal/quantity"
	"tutti/output"
	"tutti/store"
)

type controllersOptions struct {
	place.Place
	json bool
}

// NewControllersCmd makes tutti controllers and what is below it.
func NewControllersCmd(std cli.Streams) *cobra.Command {
	o := &controllersOptions{}
	cmd := &cobra.Command{
		Use:   "controllers [flags]",
		Short: "List the daemons that serve the history, with their load, clocks and files",
		Long: `Each tutti serve on the history is a controller. It decides nothing while its clock is
more than 2s off, takes nothing from the queue while it has no room or drains, and may
have other files than the others: what differs is named.`,
		Example: `  tutti controllers
  tutti controllers drain web-ctl2`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withControllers(cmd, std, &o.Place, place.NoHistory, func(c controllers) error {
				all, err := c.List(cmd.Context())
				if err != nil {
					return err
				}
				return listControllers(std, all, o.json)
			})
		},
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: func(f *pflag.FlagSet) {
		f.BoolVar(&o.json, "json", false, "print a line of JSON for each controller")
		o.AddHistory(f)
	}}, o.Group())
	cmd.AddCommand(newControllersDrainCmd(std), newControllersResumeCmd(std))
	return cmd
}

// controllers are the daemons of a history, of this machine or of a server.
type controllers interface {
	// List lists them, the oldest first.
	List(ctx context.Context) ([]api.Controller, error)
	// Drain has one start nothing any more or, if drain is false, runs again.
	Drain(ctx context.Context, id int64, drain bool) error
}

// withControllers does something with the controllers of a history, or of a server.
func withControllers(cmd *cobra.Command, std cli.Streams, p *place.Place, missing place.Missing, do func(controllers) error) error {
	remote, err := p.Client(std, cmd)
	if err != nil {
		return err
	}
	if remote != nil {
		defer remote.Close()
		return place.UsageOfRun(do(client.ControllersOf(remote)))
	}
	err = place.WithHistory(cmd.Context(), std, p.History, missing, "tutti serve creates it; --history names another", func(s store.Store) error {
		if s == nil {
			return nil
		}
		return do(&storedControllers{s, std})
	})
	return place.UsageOfRun(err)
}

// storedControllers are the controllers of a history.
type storedControllers struct {
	s   store.Store
	std cli.Streams
}

func (c *storedControllers) List(ctx context.Context) ([]api.Controller, error) {
	all, err := c.s.Daemons(ctx)
	return api.NewControllers(all, 0), err
}

func (c *storedControllers) Drain(ctx context.Context, id int64, drain bool) error {
	action := "controller.resume"
	if drain {
		action = "controller.drain"
	}
	return c.s.Drain(store.Audited(ctx, access.Entry{By: byHere(c.std), Action: action}), id, drain)
}

// listControllers lists controllers, and what is not the same on all of them.
func listControllers(std cli.Streams, all []api.Controller, json bool) error {
	l := &cli.Roster[api.Controller]{
		Columns: []output.Column{
			{Title: "CONTROLLER"},
			{Title: "MACHINE", Least: 8},
			{Title: "PID", Optional: true},
			{Title: "STATE"},
			{Title: "RUNS"},
			{Title: "HOSTS"},
			{Title: "HEARD"},
			{Title: "CLOCK"},
			{Title: "STARTED", Optional: true},
			{Title: "VERSION", Optional: true},
		},
		Row:  func(c *api.Controller) []string { return controllerRow(c, std.Time()) },
		None: "no daemon serves this history: tutti serve",
	}
	if err := l.Write(std, all, json); err != nil || json {
		return err
	}
	for i := range all {
		for _, f := range all[i].Files {
			if !f.Differs {
				continue
			}
			if err := std.Say(fmt.Sprintf("%s: %s %s", controllerName(&all[i]), f.Name, fileState(f))); err != nil {
				return err
			}
		}
	}
	return nil
}

func controllerRow(c *api.Controller, now time.Time) []string {
	runs, hosts := strconv.Itoa(c.Runs), strconv.Itoa(c.Hosts)
	if c.MaxRuns > 0 {
		runs += " of " + strconv.Itoa(c.MaxRuns)
	}
	if c.MaxHosts > 0 {
		hosts += " of " + strconv.Itoa(c.MaxHosts)
	}
	heard := "alive"
	if at := api.AtOf(c.HeardAt); !at.IsZero() {
		heard = quantity.FormatDuration(max(now.Add(-c.Skew()).Sub(at), 0).Truncate(time.Second)) + " ago"
	}
	return []string{
		strconv.FormatInt(c.Controller, 10), cli.OrDash(c.Machine), strconv.Itoa(c.PID), controllerState(c), runs, hosts,
		heard, clockState(c), cli.WhenText(api.AtOf(&c.StartedAt), "-"), cli.OrDash(c.Version),
	}
}

// controllerState is what a controller does with what is new.
func controllerState(c *api.Controller) string {
	switch {
	case c.Draining && c.Runs == 0:
		return "drained"
	case c.Draining:
		return "draining"
	case c.Skewed():
		return "stopped by its clock"
	case c.WaitsFor == "runs", c.WaitsFor == "hosts":
		return "full"
	case c.WaitsFor == "memory":
		return "short of memory"
	}
	return "ready"
}

// clockState is how far the clock of a controller is off.
func clockState(c *api.Controller) string {
	if c.SkewMS == 0 {
		return "-"
	}
	sign := "+"
	if c.SkewMS < 0 {
		sign = "-"
	}
	return sign + quantity.FormatDuration(c.Skew().Abs())
}

// fileState is how a file of a controller is not that of the others.
func fileState(f api.ControllerFile) string {
	if f.Digest == "" {
		return "cannot be read there"
	}
	return "differs from that of other controllers"
}

// controllerName is how a controller is called.
func controllerName(c *api.Controller) string {
	name := "controller " + strconv.FormatInt(c.Controller, 10)
	if c.Machine != "" {
		name += " on " + c.Machine
	}
	return name
}

func newControllersDrainCmd(std cli.Streams) *cobra.Command {
	return newDrainCmd(std, true, &cobra.Command{
		Use:   "drain [flags] NAME",
		Short: "Have a controller start nothing any more; what it executes goes on",
		Long: `NAME is the number of a controller, or its machine if it has one controller. Jobs and
waiting runs are left to the other controllers. A controller that is started again
does not drain.`,
		Example: `  tutti controllers drain web-ctl2
  tutti controllers drain 7`,
	})
}

func newControllersResumeCmd(std cli.Streams) *cobra.Command {
	return newDrainCmd(std, false, &cobra.Command{
		Use:     "resume [flags] NAME",
		Short:   "Have a controller that drains start runs again",
		Example: `  tutti controllers resume web-ctl2`,
	})
}

func newDrainCmd(std cli.Streams, drain bool, cmd *cobra.Command) *cobra.Command {
	o := &place.Place{}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fault.Hint(fault.Syntaxf("want one NAME"), "tutti controllers lists the controllers")
		}
		return withControllers(cmd, std, o, place.WantsHistory, func(all controllers) error {
			c, err := chooseController(cmd.Context(), all, args[0])
			if err != nil {
				return err
			}
			if err := all.Drain(cmd.Context(), c.Controller, drain); err != nil {
				return gone(err)
			}
			said := "%s starts runs again\n"
			if drain {
				said = "%s starts nothing any more; it executes " + phrase.Count(c.Runs, "run") + "\n"
			}
			return std.Print(said, controllerName(c))
		})
	}
	help.Set(cmd, help.ExitShort, help.Group{Title: "FLAGS", Add: o.AddHistory}, o.Group())
	return cmd
}

// gone is a hint at those that there are, if err says that a controller is not there.
func gone(err error) error {
	if errors.As(err, new(*store.NoControllerError)) {
		return fault.Hint(fault.Usage(err), "tutti controllers lists the controllers")
	}
	return err
}

// chooseController is the controller of that number, or on that machine.
func chooseController(ctx context.Context, from controllers, name string) (*api.Controller, error) {
	all, err := from.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []*api.Controller
	var numbers []string
	for i := range all {
		c := &all[i]
		if number := strconv.FormatInt(c.Controller, 10); number == name || c.Machine == name {
			found = append(found, c)
			numbers = append(numbers, number)
		}
	}
	switch len(found) {
	case 0:
		return nil, fault.Hint(fault.Usagef("no controller %q serves this history", name), "tutti controllers lists the controllers")
	case 1:
		return found[0], nil
	}
	return nil, fault.Hint(fault.Usagef("%s has %s: %s", name, phrase.Count(len(found), "controller"), strings.Join(numbers, ", ")), "name one by its number")
}
