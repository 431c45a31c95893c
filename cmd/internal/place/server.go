package place

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/runner"
)

// Server says which server a command asks instead of acting by itself.
type Server struct {
	server    string
	tokenFile string
	// CA is a file with the certificate authorities to trust; empty: the system's.
	CA string
	// Insecure allows plain HTTP to another machine.
	Insecure bool
}

// AddFlags adds the flags about the server.
func (o *Server) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.server, "server", "", "ask the tutti server at `URL`, or at a local socket (unix:///PATH), instead of acting on this machine (default $TUTTI_SERVER)")
	o.addAccessFlags(f)
}

// addAccessFlags are those about how a server is asked.
func (o *Server) addAccessFlags(f *pflag.FlagSet) {
	f.StringVar(&o.tokenFile, "token-file", "", "read the token for the server from `FILE` (default: that of tutti login)")
	f.StringVar(&o.CA, "server-ca", "", "trust the certificate authorities in `FILE` for the server, instead of the system's")
	f.BoolVar(&o.Insecure, "insecure-http", false, "ask a server on another machine over plain HTTP: who listens on the network reads the token and the output")
}

// Keyring is the file with the tokens of this user.
func Keyring(std cli.Streams) (client.Keyring, error) {
	home := std.Home()
	if home == "" {
		return client.Keyring{}, errors.New("no home directory for the file with the tokens: $HOME is not set")
	}
	return client.Keyring{Path: filepath.Join(home, ".config", "tutti", "servers.yaml")}, nil
}

// Client is the client of the server that is to be asked; nil: none is. cmd is the
// command, whose flags must not be about this machine.
func (o *Server) Client(std cli.Streams, cmd *cobra.Command) (*client.Client, error) {
	return o.ClientFor(std, cmd, LocalReason)
}

// ClientFor is Client for a command with a reason of its own why a flag is about this
// machine; empty: it is not.
func (o *Server) ClientFor(std cli.Streams, cmd *cobra.Command, reason func(*pflag.Flag) string) (*client.Client, error) {
	text, from := o.server, "--server"
	if !cmd.Flags().Changed("server") {
		text, from = std.Getenv("TUTTI_SERVER"), "$TUTTI_SERVER"
	}
	if text == "" {
		return nil, o.checkUnused(cmd)
	}
	if err := refuseLocal(cmd, from, reason); err != nil {
		return nil, err
	}
	return o.dial(std, text, from)
}

// checkUnused refuses flags about a server where none is asked.
func (o *Server) checkUnused(cmd *cobra.Command) error {
	for _, name := range []string{"token-file", "server-ca", "insecure-http"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return fault.Hint(fault.Syntaxf("--%s is for --server", name), "add --server URL, or set $TUTTI_SERVER")
		}
	}
	return nil
}

// dial is a client of the server at the address in text, with what is kept of it.
func (o *Server) dial(std cli.Streams, text, from string) (*client.Client, error) {
	address, kept, err := o.address(std, text)
	if err != nil {
		return nil, fault.Usagef("%s: %w", from, err)
	}
	config := client.Config{Address: address, CA: kept.CA, Token: kept.Token, Version: cli.ModuleVersion()}
	if o.CA != "" {
		config.CA = o.CA
	}
	if o.tokenFile != "" {
		if config.Token, err = client.ReadTokenFile(o.tokenFile); err != nil {
			return nil, fault.Usagef("--token-file: %w", err)
		}
	}
	c, err := client.New(config)
	if err != nil {
		return nil, fault.Usagef("--server-ca: %w", err)
	}
	return c, nil
}

// address is where a server is, and what is kept of it. Plain HTTP to another machine is
// allowed by the flag, or where it was by the login.
func (o *Server) address(std cli.Streams, text string) (client.Address, client.Server, error) {
	address, plainErr := client.ParseAddress(text, true)
	if plainErr != nil {
		return address, client.Server{}, plainErr
	}
	keyring, err := Keyring(std)
	if err != nil && o.tokenFile == "" {
		return address, client.Server{}, err
	}
	var kept client.Server
	if err == nil {
		if kept, _, err = keyring.Server(address); err != nil {
			return address, kept, err
		}
	}
	address, err = client.ParseAddress(text, o.Insecure || kept.Insecure)
	return address, kept, err
}

// refuseLocal refuses flags that are about this machine.
func refuseLocal(cmd *cobra.Command, from string, why func(*pflag.Flag) string) error {
	var refused error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if refused != nil {
			return
		}
		if reason := why(f); reason != "" {
			refused = fault.Hint(fault.Usagef("--%s cannot be combined with %s: %s", f.Name, from, reason), "--server '' acts on this machine")
		}
	})
	return refused
}

// LocalReasons say of flags why they do not work with a server.
var LocalReasons = map[string]string{
	"history":           "the server has a history of its own",
	"no-history":        "a server records every run",
	"inventory":         "the server has an inventory of its own",
	"hosts":             "a server runs on hosts of its inventory only",
	"identity":          "the server logs in with its own keys",
	"jump":              "the way to a host is in the inventory of the server",
	"port":              "the port of a host is in the inventory of the server",
	"ssh-config":        "the server reads its own ssh_config",
	"host-keys":         "the server decides which host keys it trusts",
	"persist":           "the server keeps its own connections",
	"persist-max":       "the server keeps its own connections",
	"known-hosts":       "the server decides which host keys it trusts",
	"ask-pass":          "the server logs in with its own keys",
	"ask-sudo-pass":     "the server cannot prompt",
	"sudo-pass-command": "it would run a command on the machine of the server",
}

// LocalReason is why a flag is not for a server; empty: it is.
func LocalReason(f *pflag.Flag) string {
	switch f.Name {
	case "run-id-file", "stdin": // it is written, or read, here
		return ""
	case "verbose":
		return "the steps are in the log of the server"
	}
	key, ok := runner.KeyNamed(f.Name)
	if !ok || !key.Local(f.Value.String()) || f.Name == "env" {
		return ""
	}
	if reason := LocalReasons[f.Name]; reason != "" {
		return reason
	}
	return "it is about this machine"
}

// UsageOfServer makes a refusal of the server a mistake of the caller, if it is one.
func UsageOfServer(err error) error {
	refused, ok := errors.AsType[*client.ProblemError](err)
	if !ok || refused.Status >= 500 || refused.Status == 429 {
		return err
	}
	return fault.Usage(err)
}

// Words are the flags about the server that were given, for a command that is to ask the
// same one; a space is before each.
func (o *Server) Words(f *pflag.FlagSet) string {
	var b strings.Builder
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&Server{}).AddFlags(own)
	own.VisitAll(func(flag *pflag.Flag) {
		given := f.Lookup(flag.Name)
		switch {
		case given == nil || !given.Changed:
		case flag.Value.Type() == "bool":
			b.WriteString(" --" + flag.Name)
		default:
			b.WriteString(" --" + flag.Name + " " + phrase.ShellWord(given.Value.String()))
		}
	})
	return b.String()
}

// Group is the group of flags about the server, for help.
func (o *Server) Group() help.Group { return help.Group{Title: "SERVER", Add: o.AddFlags} }
