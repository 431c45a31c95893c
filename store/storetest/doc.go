// Package storetest is what every engine of package store must do, as a test that an
// engine runs on itself with [Test]: what its errors mean, what survives, what several
// processes at once may count on. It knows nothing but the interfaces.
package storetest
