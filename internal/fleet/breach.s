// This file lets breach.go declare a function that another package has.
