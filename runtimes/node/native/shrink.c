// What a stem does to its own process that JavaScript has no way to: give back the memory
// that only booting needed. Node's own function has V8 collect all there is to collect and
// give back the half of its young generation that a collection leaves behind; malloc_trim
// does so with what malloc has free. It is done when the library is loaded, once.
//
// Nothing is linked: both are the process's. Where one is missing (musl has no
// malloc_trim) that part isn't done. No headers of Node's are needed for a module of its
// Node-API, whose form is the same for all versions.

// node::LowMemoryNotification()
extern void _ZN4node21LowMemoryNotificationEv(void) __attribute__((weak));
extern int malloc_trim(unsigned long keep) __attribute__((weak));

__attribute__((visibility("default"))) void *napi_register_module_v1(void *env, void *exports)
{
	(void)env;
	if (_ZN4node21LowMemoryNotificationEv)
		_ZN4node21LowMemoryNotificationEv();
	if (malloc_trim)
		malloc_trim(0);
	return exports;
}
