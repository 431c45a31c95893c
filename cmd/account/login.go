package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/api"
	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/internal/fault"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/runner"
)

const exitHelpServer = `EXIT STATUS
  0  done
  1  local error (file, connection), or the server failed
  2  usage error, or the server refused it`

type loginOptions struct {
	place.Server
	user       string
	link       bool
	tokenStdin bool
}

func (o *loginOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.user, "user", "", "log in as `NAME` (default: asked for)")
	f.BoolVar(&o.link, "link", false, "log in with the secret of a login link, which is asked for, and choose a password")
	f.BoolVar(&o.tokenStdin, "token-stdin", false, "read a token from standard input, and keep that")
}

func (o *loginOptions) addServerFlags(f *pflag.FlagSet) {
	f.StringVar(&o.CA, "server-ca", "", "trust the certificate authorities in `FILE` for the server, instead of the system's")
	f.BoolVar(&o.Insecure, "insecure-http", false, "ask a server on another machine over plain HTTP: who listens on the network reads the password, the token and the output")
}

// NewLoginCmd makes tutti login; asks asks for passwords.
func NewLoginCmd(std cli.Streams, asks Asker) *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use:   "login [flags] [URL]",
		Short: "Log in to a tutti server, and keep a token for it",
		Long: `URL is https://HOST[:PORT][/PATH]; http:// is for a server on this machine (default
$TUTTI_SERVER). Name and password are asked for on the terminal, and the server makes
a token for this machine, which is kept with mode 0600 in ~/.config/tutti/servers.yaml.
--server-ca and --insecure-http are kept with it. A local socket needs no login.`,
		Example: `  tutti login https://ops.example
  tutti login --link https://ops.example
  tutti login --token-stdin https://ops.example < token`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return login(cmd.Context(), &operator{std, asks}, o, args)
		},
	}
	help.Set(cmd, exitHelpServer, help.Group{Title: "FLAGS", Add: o.addFlags}, help.Group{Title: "SERVER", Add: o.addServerFlags})
	return cmd
}

// login keeps a token for a server.
func login(ctx context.Context, op *operator, o *loginOptions, args []string) error {
	get, err := o.way()
	if err != nil {
		return err
	}
	address, err := serverOf(op.Streams, args, o.Insecure)
	if err != nil {
		return err
	}
	if address.Socket != "" {
		return fault.Usagef("a local socket needs no login: the system says who asks")
	}
	keyring, err := place.Keyring(op.Streams)
	if err != nil {
		return err
	}
	earlier, _, err := keyring.Server(address) // before a password is asked for
	if err != nil {
		return err
	}
	kept := client.Server{Insecure: o.Insecure && !address.Loopback()}
	if o.CA != "" {
		kept.CA = runner.Absolute(o.CA)
	}
	session, err := get(ctx, op, address, &kept)
	if err != nil {
		return place.UsageOfServer(err)
	}
	if err := keyring.Put(address, kept); err != nil {
		return err
	}
	if earlier.Name != "" && earlier.Token != kept.Token {
		if err := removeToken(ctx, address, earlier); err != nil {
			op.Warn(fmt.Sprintf("the token of the login before, %s, was not removed: %v", earlier.Name, err))
		}
	}
	return op.Say(fmt.Sprintf("logged in to %s as %s, %s", address, session.Name, session.Role))
}

// A loginWay logs in at an address, and adds the token to what is kept of the server.
type loginWay func(ctx context.Context, op *operator, address client.Address, kept *client.Server) (api.Session, error)

// way is how the flags say to log in.
func (o *loginOptions) way() (loginWay, error) {
	switch {
	case o.user != "" && o.link:
		return nil, fault.Syntaxf("--user and --link cannot be combined")
	case o.user != "" && o.tokenStdin:
		return nil, fault.Syntaxf("--user and --token-stdin cannot be combined")
	case o.link && o.tokenStdin:
		return nil, fault.Syntaxf("--link and --token-stdin cannot be combined")
	case o.link:
		return byLink, nil
	case o.tokenStdin:
		return fromStdin, nil
	}
	return o.byPassword, nil
}

// serverOf is the server that is named by the argument or by the environment.
func serverOf(std cli.Streams, args []string, insecure bool) (client.Address, error) {
	text, from := std.Getenv("TUTTI_SERVER"), "$TUTTI_SERVER: "
	if len(args) > 0 {
		text, from = args[0], ""
	}
	if text == "" {
		return client.Address{}, fault.Hint(fault.Syntaxf("missing URL"), "tutti login https://ops.example")
	}
	address, err := client.ParseAddress(text, insecure)
	if err != nil {
		return address, fault.Usagef("%s%w", from, err)
	}
	return address, nil
}

// fromStdin reads a token, and finds out whose it is.
func fromStdin(ctx context.Context, op *operator, address client.Address, kept *client.Server) (api.Session, error) {
	token, err := client.ReadToken(op.In)
	if err != nil {
		return api.Session{}, fault.Usagef("--token-stdin: %w", err)
	}
	kept.Token = token
	return whoIs(ctx, address, kept)
}

// whoIs asks the server whose the token is.
func whoIs(ctx context.Context, address client.Address, kept *client.Server) (api.Session, error) {
	remote, err := remoteOf(address, kept)
	if err != nil {
		return api.Session{}, err
	}
	defer remote.Close()
	session, err := remote.Session(ctx)
	kept.User = session.Name
	return session, err
}

// byPassword asks for a name and a password, and has a token made.
func (o *loginOptions) byPassword(ctx context.Context, op *operator, address client.Address, kept *client.Server) (api.Session, error) {
	if !terminal.Attended() {
		return api.Session{}, fault.Hint(fault.Usagef("no terminal to ask for the password"), "--token-stdin reads a token from standard input")
	}
	name := o.user
	for name == "" {
		var err error
		if name, err = terminal.AskLine(ctx, "name at "+address.String()+": "); err != nil {
			return api.Session{}, err
		}
	}
	password, err := op.asks(ctx, "password of "+name+": ")
	if err != nil {
		return api.Session{}, err
	}
	defer clear(password)
	return haveToken(ctx, address, kept, "tutti user passwd NAME, on the machine of the server, sets a password", func(remote *client.Client) (api.NewTokenAnswer, error) {
		return remote.Accounts().Login(ctx, name, password, tokenName())
	})
}

// byLink asks for the secret of a login link and for a password, and has a token made.
func byLink(ctx context.Context, op *operator, address client.Address, kept *client.Server) (api.Session, error) {
	if !terminal.Attended() {
		return api.Session{}, fault.Hint(fault.Usagef("no terminal to ask for the secret of the login link"), "--token-stdin reads a token from standard input")
	}
	link, err := op.asks(ctx, "secret of the login link: ")
	if err != nil {
		return api.Session{}, err
	}
	defer clear(link)
	const another = "tutti user passwd --link NAME, on the machine of the server, prints another"
	if _, ok := access.ParseSecret(string(link)); !ok {
		return api.Session{}, fault.Hint(fault.Usagef("that is not the secret of a login link"), another)
	}
	password, err := passwordTwice(ctx, op.asks, "new password: ")
	if err != nil {
		return api.Session{}, err
	}
	defer clear(password)
	return haveToken(ctx, address, kept, another, func(remote *client.Client) (api.NewTokenAnswer, error) {
		return remote.Accounts().Redeem(ctx, link, password, tokenName())
	})
}

// haveToken has a token made, and keeps it; way is what can be done if the server
// refuses the login.
func haveToken(
	ctx context.Context, address client.Address, kept *client.Server, way string, login func(*client.Client) (api.NewTokenAnswer, error),
) (api.Session, error) {
	remote, err := remoteOf(address, kept)
	if err != nil {
		return api.Session{}, err
	}
	defer remote.Close()
	made, err := login(remote)
	if refused, ok := errors.AsType[*client.ProblemError](err); ok && refused.Status == http.StatusUnauthorized {
		err = fault.Hint(fault.Usagef("%s", refused.Error()), way) // in place of the hint to log in
	}
	if err != nil {
		return api.Session{}, err
	}
	kept.Token, kept.Name = made.Secret, made.Token.Token
	return whoIs(ctx, address, kept)
}

// remoteOf is a client of the server of which that is kept.
func remoteOf(address client.Address, kept *client.Server) (*client.Client, error) {
	remote, err := client.New(client.Config{Address: address, CA: kept.CA, Token: kept.Token, Version: cli.ModuleVersion()})
	if err != nil {
		return nil, fault.Usagef("--server-ca: %w", err)
	}
	return remote, nil
}

// tokenName is the name of a new token, by which its owner knows it again.
func tokenName() string {
	host, _ := os.Hostname() // it need not be known
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	const most, random = 40, 6
	return "cli-" + host[:min(len(host), most)] + "-" + strings.ToLower(rand.Text()[:random])
}

// NewLogoutCmd makes tutti logout.
func NewLogoutCmd(std cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout [flags] [URL]",
		Short: "Remove the token for a tutti server, there and here",
		Long: `A token that tutti login had made is removed from the server as well; one that was
made elsewhere is only forgotten here.`,
		Example: `  tutti logout https://ops.example`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return logout(cmd.Context(), std, args)
		},
	}
	help.Set(cmd, exitHelpServer)
	return cmd
}

func logout(ctx context.Context, std cli.Streams, args []string) error {
	address, err := serverOf(std, args, true)
	if err != nil {
		return err
	}
	keyring, err := place.Keyring(std)
	if err != nil {
		return err
	}
	kept, ok, err := keyring.Server(address)
	if err != nil {
		return err
	}
	if !ok {
		return std.Say("not logged in to " + address.String())
	}
	var left error
	if kept.Name != "" {
		left = removeToken(ctx, address, kept)
	}
	if err := keyring.Remove(address); err != nil {
		return err
	}
	if left != nil {
		return fault.Hint(fmt.Errorf("the token is gone here, but %s still accepts it: %w", address, left), "tutti token rm "+kept.Name+", on the machine of the server, removes it")
	}
	return std.Say("logged out of " + address.String())
}

// removeToken removes a token from its server. One that is not there any more is gone.
func removeToken(ctx context.Context, address client.Address, kept client.Server) error {
	remote, err := remoteOf(address, &kept)
	if err != nil {
		return err
	}
	defer remote.Close()
	err = remote.Accounts().RemoveToken(ctx, kept.Name)
	if refused, ok := errors.AsType[*client.ProblemError](err); ok && refused.Status == http.StatusUnauthorized || errors.As(err, new(*access.MissingError)) {
		return nil
	}
	return err
}

type whoamiOptions struct {
	place.Server
	json bool
}

func (o *whoamiOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.json, "json", false, "print JSON")
}

// NewWhoamiCmd makes tutti whoami.
func NewWhoamiCmd(std cli.Streams) *cobra.Command {
	o := &whoamiOptions{}
	cmd := &cobra.Command{
		Use:     "whoami [flags]",
		Short:   "Show who a tutti server takes you for, and what you may do",
		Example: `  tutti whoami --server https://ops.example`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			remote, err := o.Client(std, cmd)
			if err != nil {
				return err
			}
			if remote == nil {
				return fault.Hint(fault.Syntaxf("missing server"), "add --server URL, or set $TUTTI_SERVER")
			}
			defer remote.Close()
			session, err := remote.Session(cmd.Context())
			if err != nil {
				return place.UsageOfServer(err)
			}
			if o.json {
				return output.WriteJSON(std.Out, session)
			}
			return std.Print("%s", sessionText(remote.Address(), &session))
		},
	}
	help.Set(cmd, exitHelpServer, help.Group{Title: "FLAGS", Add: o.addFlags}, o.Group())
	return cmd
}

// sessionText says who asks a server, and what it may do.
func sessionText(address client.Address, s *api.Session) string {
	text := fmt.Sprintf("%s at %s (%s)\nrole   %s\nscope  %s\n", s.Name, address, s.Via, s.Role, cmp.Or(strings.Join(s.Scopes, "; "), "all hosts"))
	if len(s.Jobs) > 0 {
		text += "jobs   " + strings.Join(s.Jobs, ", ") + "\n"
	}
	if s.ExpiresAt != nil {
		text += "until  " + cli.ClockText(api.AtOf(s.ExpiresAt).Local()) + "\n"
	}
	return text
}
