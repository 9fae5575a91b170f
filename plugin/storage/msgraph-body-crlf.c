#include "lib.h"
#include "istream.h"
#include "istream-crlf.h"
#include "write-full.h"
#include "msgraph-body-crlf.h"

#include <unistd.h>

#define BLOCK_SIZE (64*1024)

int msgraph_body_has_bare_lf(int fd)
{
	unsigned char *buf = i_malloc(BLOCK_SIZE), *p, *end, last = '\0';
	off_t pos = 0;
	ssize_t got;
	int ret = 0;

	while (ret == 0 && (got = pread(fd, buf, BLOCK_SIZE, pos)) != 0) {
		if (got < 0) {
			ret = -1;
			break;
		}
		end = buf + got;
		for (p = buf; (p = memchr(p, '\n', end - p)) != NULL; p++) {
			if ((p > buf ? p[-1] : last) != '\r') {
				ret = 1;
				break;
			}
		}
		last = end[-1];
		pos += got;
	}
	i_free(buf);
	return ret;
}

static int write_stream(struct istream *input, int fd)
{
	const unsigned char *data;
	size_t size;
	int ret = 0;

	while (ret == 0 && i_stream_read_more(input, &data, &size) > 0) {
		ret = write_full(fd, data, size);
		i_stream_skip(input, size);
	}
	if (ret == 0 && input->stream_errno != 0) {
		errno = input->stream_errno;
		ret = -1;
	}
	return ret;
}

/* From one file to the other, whose contents it replaces. */
static int copy_lines(int from, int to, bool crlf)
{
	struct istream *file = i_stream_create_fd(from, BLOCK_SIZE);
	struct istream *input = crlf ? i_stream_create_crlf(file) : file;
	int ret;

	i_stream_seek(file, 0);
	ret = lseek(to, 0, SEEK_SET) < 0 || ftruncate(to, 0) < 0 ? -1 :
		write_stream(input, to);
	if (crlf)
		i_stream_unref(&input);
	i_stream_unref(&file);
	return ret;
}

int msgraph_body_crlf(int fd, int spare_fd)
{
	return copy_lines(fd, spare_fd, TRUE) < 0 ||
		copy_lines(spare_fd, fd, FALSE) < 0 ? -1 : 0;
}
