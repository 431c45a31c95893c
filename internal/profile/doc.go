// Package profile writes what this program spends to files, for those who work on
// it: cpu=FILE and heap=FILE are for go tool pprof, and live=FILE has what is alive
// as time goes by, an object of JSON per line. That collects garbage each time,
// which costs time of its own.
package profile
