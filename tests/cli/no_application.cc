// A shared library that is no application.
extern "C" int sluiceTestNothing() { return 0; }
