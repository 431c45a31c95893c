package api

import (
	"time"

	"tutti/api/event"
)

// A Connection is one that stays open between commands.
type Connection struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "connection"
	// Host is its name in the inventory; absent: it is reached by its address.
	Host    string `json:"host,omitempty"`
	User    string `json:"user"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	// LoggedIn is when it was made, Since when it was used last, and Until when it
	// is closed unless it is used before.
	LoggedIn event.Time `json:"logged_in"`
	Since    event.Time `json:"since"`
	Until    event.Time `json:"until"`
}

// NewConnection is the form of a connection of user to address, which was used last at
// since.
func NewConnection(host, user, address string, port int, loggedIn, since, until time.Time) Connection {
	return Connection{1, "connection", host, user, address, port, event.Time(loggedIn), event.Time(since), event.Time(until)}
}
