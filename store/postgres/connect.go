package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tutti/store"
)

const (
	// connectTimeout bounds the start of a connection, unless the address says otherwise.
	connectTimeout = 10 * time.Second
	// maxConns bounds the connections, unless the address says otherwise: readers, and
	// one for each run that is just writing.
	maxConns = 16
	// idleConn is after what time a connection that nobody uses is closed.
	idleConn = 5 * time.Minute
)

// sessionSettings are those of every connection, for which the address wins: a process
// that has stopped in a transaction does not hold its rows for long, and one that is gone
// is noticed.
var sessionSettings = map[string]string{
	"idle_in_transaction_session_timeout": "5s",
	"lock_timeout":                        "2s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"tcp_user_timeout":                    "10s",
}

// keepAlive is the same for the client's side.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// config returns the settings of the connections to an address, and its name without a
// password. A writer is only connected to a server that takes writes.
func config(dsn string, writes bool) (c *pgxpool.Config, name string, err error) {
	c, err = pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, "", &store.Error{Op: "open", Path: "postgres://…", Err: parseCause(err)}
	}
	given, _ := url.Parse(dsn) // ParseConfig has read it; nil for the form key=value
	has := func(key string) bool { return given != nil && given.Query().Has(key) }
	for key, value := range sessionSettings {
		if _, said := c.ConnConfig.RuntimeParams[key]; !said {
			c.ConnConfig.RuntimeParams[key] = value
		}
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = applicationName()
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{KeepAliveConfig: keepAlive}
	c.ConnConfig.DialFunc = dialer.DialContext
	if writes && c.ConnConfig.ValidateConnect == nil {
		c.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if !has("pool_max_conns") {
		c.MaxConns = maxConns
	}
	if !has("pool_max_conn_idle_time") {
		c.MaxConnIdleTime = idleConn
	}
	return c, nameOf(c.ConnConfig), nil
}

// parseCause is why an address cannot be read, without the address, which may have a
// password.
func parseCause(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		if _, isURL := errors.AsType[*url.Error](cause); !isURL {
			return cause
		}
	}
	return errors.New("not an address like postgres://USER@HOST/DATABASE")
}

// applicationName is what the server shows of this process.
func applicationName() string {
	host, _ := os.Hostname() // it is only shown
	return "tutti/" + host + "/" + strconv.Itoa(os.Getpid())
}

// nameOf is the address of a database without its password and settings.
func nameOf(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), Path: "/" + c.Database}
	if len(c.Host) > 0 && c.Host[0] == '/' { // a socket
		u.Host = ""
		return u.String() + "?host=" + c.Host
	}
	if c.Port == 5432 {
		u.Host = c.Host
	}
	return u.String()
}

// checkServer refuses a server that may lose what it has acknowledged, which for a run is
// that a command was about to be sent, and one that is in recovery.
func (h *handle) checkServer(ctx context.Context) error {
	var commits, standbys string
	var recovers bool
	err := h.pool.QueryRow(ctx, `
		SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), pg_is_in_recovery()`,
	).Scan(&commits, &standbys, &recovers)
	switch {
	case err != nil:
		return err
	case recovers:
		return &store.Error{Op: "open", Path: h.name, Kind: store.ErrStandby, Err: errors.New("it is in recovery")}
	case commits == "off", commits == "local" && standbys != "":
		return &store.Error{Op: "open", Path: h.name, Kind: store.ErrVolatile, Err: fmt.Errorf("synchronous_commit is %s", commits)}
	}
	h.synchronous = standbys != ""
	return nil
}
