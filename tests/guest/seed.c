/*
 * Gives the test guest's kernel its first entropy, from a file that build.sh
 * fills with random bytes. Left alone, a guest without RDRAND or a virtio-rng
 * spends the first second of its first SSH connection gathering some. The bytes
 * are the same at every boot, which is good enough for a guest made for tests
 * and for nothing else.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[64];
	} seed;
	int from = open(argc > 1 ? argv[1] : "/etc/seed", O_RDONLY);
	int to = open("/dev/urandom", O_WRONLY);

	if (from < 0 || to < 0 || read(from, seed.bytes, sizeof seed.bytes) != sizeof seed.bytes) {
		perror("seed");
		return 1;
	}
	seed.info.entropy_count = 8 * sizeof seed.bytes;
	seed.info.buf_size = sizeof seed.bytes;
	if (ioctl(to, RNDADDENTROPY, &seed) < 0) {
		perror("seed: RNDADDENTROPY");
		return 1;
	}
	return 0;
}
