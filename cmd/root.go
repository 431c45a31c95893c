// Package cmd is the command line of tutti: its flags, its wiring, its questions and
// its exit codes. It is the only package that knows all the others.
package cmd

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"tutti/cmd/account"
	"tutti/cmd/completion"
	"tutti/cmd/demo"
	"tutti/cmd/hosts"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/interrupt"
	"tutti/cmd/serve"
	"tutti/fanout"
	"tutti/internal/profile"
	"tutti/internal/terminal"
	"tutti/runner"
)

// Main runs the command line args (without the program's name) and returns the
// exit code. Signals that arrive on signals ask it to end; see [interrupt.Interrupter].
func Main(args []string, streams Streams, signals <-chan os.Signal) int {
	ctx, in := interrupt.New(context.Background(), terminal.Is(streams.Err))
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { in.Watch(signals, ended) })
	defer wg.Wait()
	defer close(ended)

	// The command has a goroutine of its own, so that a last Ctrl-C ends the
	// program even if the command hangs.
	code := make(chan int, 1)
	go func() { code <- execute(ctx, args, &console{streams, in}) }()
	select {
	case c := <-code:
		return c
	case <-in.End():
		return runner.SignalCode(in.Signal())
	}
}

// A console is for commands that can be stopped in stages; others need only the
// streams.
type console struct {
	Streams
	interrupts *interrupt.Interrupter
}

// runs executes a command line of this program with other streams, and returns its exit
// code.
func (c *console) runs(ctx context.Context, args []string, std Streams) int {
	return execute(ctx, args, &console{std, c.interrupts})
}

func execute(ctx context.Context, args []string, c *console) int {
	if len(args) > 0 && args[0] == completion.BashRequest {
		return runner.ExitCode(fanout.Summary{}, completion.Bash(ctx, c.Streams, args[1:], c.runs), nil)
	}
	root := newRootCmd(c)
	var profiles profile.Profiler
	addProfiles(root, &profiles)
	root.SetArgs(args)
	if completion.Asked(args) {
		completion.PlainUsages(root)
		completion.BehindSelector(root, args)
	}
	ran, err := root, firstWord(ctx, c.Streams, root, args)
	if err == nil {
		ran, err = root.ExecuteContextC(ctx)
	}
	end, _ := errors.AsType[*decided](err)
	if end != nil && end.err == nil {
		err = nil
	}
	if stopErr := profiles.Stop(); err == nil && stopErr != nil {
		end, err = nil, stopErr
	}
	if err != nil && !errors.Is(err, fanout.ErrSignal) {
		cli.Report(c.Err, err, ran)
	}
	if end != nil {
		return end.code
	}
	return codeOf(err, c.interrupts)
}

// codeOf is the exit code for err, the result of a command.
func codeOf(err error, in *interrupt.Interrupter) int {
	if r, ok := errors.AsType[*runner.ExitError](err); ok {
		return r.Code
	}
	return runner.ExitCode(fanout.Summary{}, err, in.Signal())
}

func newRootCmd(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tutti COMMAND",
		Short: "Run a command on many hosts over SSH in parallel, and record the output",
		Example: `  tutti run web uptime              on every host of the group web
  tutti run -b 'web,!web13.fra' uname -r   identical output shown once
  tutti show last                   show its output again
  tutti demo                        twenty hosts on this machine to try it on`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cmd.SetIn(c.In)
	cmd.SetOut(help.Paged{Writer: c.Out, Getenv: c.Getenv, IgnoreInterrupts: c.interrupts.IgnoreInterrupts})
	cmd.SetErr(c.Err)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return flagError(cmd, err)
	})
	cmd.Version = versionText()
	cmd.SetVersionTemplate("{{.Version}}\n")
	cmd.SetHelpCommand(newHelpCmd(cmd))
	cmd.CompletionOptions.DisableDefaultCmd = true // tutti's own has a help like the others
	cmd.AddCommand(
		newRunCmd(c),
		newScriptCmd(c),
		newCopyCmd(c),
		newFetchCmd(c),
		newRerunCmd(c),
		newPingCmd(c),
		hosts.NewCmd(c.Streams),
		hosts.NewMaintenanceCmd(c.Streams),
		newTrustCmd(c),
		newHistoryCmd(c.Streams),
		newShowCmd(c.Streams),
		newDiffCmd(c.Streams),
		newKillCmd(c.Streams),
		newQueueCmd(c.Streams),
		hosts.NewControllersCmd(c.Streams),
		newKeepCmd(c),
		newJobCmd(c),
		serve.NewCmd(c.Streams, c.interrupts),
		account.NewLoginCmd(c.Streams, c.asks),
		account.NewLogoutCmd(c.Streams),
		account.NewWhoamiCmd(c.Streams),
		account.NewUserCmd(c.Streams, c.asks),
		account.NewTokenCmd(c.Streams),
		account.NewAuditCmd(c.Streams),
		newDoctorCmd(c),
		demo.NewCmd(c.Streams, c.runs),
		completion.NewCmd(c.Streams),
		newVersionCmd(c.Streams),
	)
	refuseUnknown(cmd)
	completion.ItemFlags(c.Streams, cmd)
	refuseServers(cmd, c.Getenv)
	help.Set(cmd, help.ExitShort)
	return cmd
}

// notANumber is how the standard library says that a flag takes a number.
var notANumber = regexp.MustCompile(`strconv\.Parse\w+: parsing "(.*)": .*$`)

// flagError adds to an unknown flag the one that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if empty, ok := errors.AsType[*help.EmptyFileError](err); ok {
		return syntaxf("%w", empty)
	}
	if refused := refusedServer(cmd, err); refused != nil {
		return refused
	}
	wrapped := syntaxf("%s", notANumber.ReplaceAllString(err.Error(), `"$1" is not a whole number that fits`))
	if !cmd.HasParent() && strings.HasPrefix(err.Error(), "unknown") {
		return hint(wrapped, "flags follow the command: tutti run [flags] SELECTOR COMMAND...")
	}
	if advice := adviceForFlag(cmd, err.Error()); advice != "" {
		return hint(wrapped, advice)
	}
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return wrapped
	}
	if near := nearestFlag(cmd, name); near != "" {
		return hint(wrapped, "did you mean --"+near+"?")
	}
	return wrapped
}

// addProfiles gives cmd and all below it --pprof, which help does not show. It
// starts where the flag is read, so that parsing is in the profile and the flag
// counts wherever flags may stand.
func addProfiles(cmd *cobra.Command, p *profile.Profiler) {
	const name = "pprof"
	flags := cmd.PersistentFlags()
	flags.Var(p, name, "write profiles: cpu=`FILE`, heap=FILE, live=FILE")
	_ = flags.MarkHidden(name) // it was defined in the line above
}
