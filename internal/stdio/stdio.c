#include <errno.h>
#include <fcntl.h>

int stdio_closed;

/* Go opens /dev/null in place of a standard stream that is closed, before any of
   its own code runs. This runs earlier. */
__attribute__((constructor)) static void look(void) {
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			stdio_closed |= 1 << fd;
}
