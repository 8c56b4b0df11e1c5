// What the bootstrap does to its own process that Java has no way to, or takes long to:
// use a descriptor it has inherited, connect a socket, change the variables that C knows,
// and go to another folder. Native.java is the other half. No C library is linked: JDKs
// come with glibc and with musl, and both have environ.

#include <jni.h>

#if defined(__x86_64__)
enum { SYS_close = 3, SYS_mmap = 9, SYS_socket = 41, SYS_connect = 42, SYS_setsockopt = 54, SYS_fcntl = 72, SYS_chdir = 80 };

static long call(long n, long a, long b, long c, long d, long e, long f) {
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { SYS_fcntl = 25, SYS_chdir = 49, SYS_close = 57, SYS_socket = 198, SYS_connect = 203, SYS_setsockopt = 208, SYS_mmap = 222 };

static long call(long n, long a, long b, long c, long d, long e, long f) {
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#endif

enum {
	F_SETFD = 2,
	FD_CLOEXEC = 1,
	PROT_READ_WRITE = 3,
	MAP_PRIVATE_ANONYMOUS = 0x22,
	MAX_ERRNO = 4095,
	PATH_BYTES = 4096,
	AF_INET = 2,
	STREAM_CLOEXEC = 1 | 02000000,
	IPPROTO_TCP = 6,
	TCP_NODELAY = 1,
};

extern char **environ; // the C library's, whichever it is

static void set(JNIEnv *env, jobject descriptor, jint number) {
	jclass type = (*env)->GetObjectClass(env, descriptor);
	jfieldID field = (*env)->GetFieldID(env, type, "fd", "I");
	if (field) // else there is an exception
		(*env)->SetIntField(env, descriptor, field, number);
}

// Makes a java.io.FileDescriptor one of an open descriptor, which child processes don't
// get. Returns 0, or a negative errno.
JNIEXPORT jint JNICALL Java_run_wick_runtime_Native_open(JNIEnv *env, jclass self, jobject descriptor, jint number) {
	(void)self;
	long failed = call(SYS_fcntl, number, F_SETFD, FD_CLOEXEC, 0, 0, 0);
	if (!failed)
		set(env, descriptor, number);
	return (jint)failed;
}

// Makes a java.io.FileDescriptor one of a socket connected to an IPv4 address and port,
// each as a number. Returns 0, or a negative errno.
JNIEXPORT jint JNICALL Java_run_wick_runtime_Native_connect(JNIEnv *env, jclass self, jobject descriptor, jint address, jint port) {
	(void)self;
	struct {
		unsigned short family, port;
		unsigned int address;
		char zero[8];
	} to = {AF_INET, __builtin_bswap16((unsigned short)port), __builtin_bswap32((unsigned int)address), {0}};
	long fd = call(SYS_socket, AF_INET, STREAM_CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return (jint)fd;
	long failed = call(SYS_connect, fd, (long)&to, sizeof to, 0, 0, 0);
	if (failed) {
		call(SYS_close, fd, 0, 0, 0, 0, 0);
		return (jint)failed;
	}
	int yes = 1;
	call(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, (long)&yes, sizeof yes, 0); // else it is slower, and works
	set(env, descriptor, (jint)fd);
	return 0;
}

// Gives the process other variables, each NAME=VALUE and a zero, and the working directory
// that a path with a zero behind it names. Returns 0, or a negative errno.
JNIEXPORT jint JNICALL Java_run_wick_runtime_Native_become(JNIEnv *env, jclass self, jbyteArray variables, jbyteArray dir) {
	(void)self;
	jbyte path[PATH_BYTES];
	jsize length = (*env)->GetArrayLength(env, dir);
	if (length > PATH_BYTES)
		return -36; // ENAMETOOLONG
	(*env)->GetByteArrayRegion(env, dir, 0, length, path);
	long failed = call(SYS_chdir, (long)path, 0, 0, 0, 0, 0);
	if (failed)
		return (jint)failed;

	// Each takes more than one byte, so as many pointers as bytes are enough; what isn't
	// touched of them costs nothing. Nobody frees what a process has as its variables.
	length = (*env)->GetArrayLength(env, variables);
	long bytes = (length + 1) * (long)sizeof(char *) + length;
	long memory = call(SYS_mmap, 0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
	if (memory < 0 && memory >= -MAX_ERRNO)
		return (jint)memory;
	char **list = (char **)memory;
	char *text = (char *)(list + length + 1);
	(*env)->GetByteArrayRegion(env, variables, 0, length, (jbyte *)text);
	jsize n = 0;
	for (jsize at = 0; at < length; at++)
		if (at == 0 || !text[at - 1])
			list[n++] = text + at;
	environ = list; // the last of it is null, as fresh memory is
	return 0;
}
