// Cells of the sweeps in which the library OS does not answer as Linux does, each kind with its reason.
static const struct left_out known[] = {
    // The file system differs, not the call: natively these are files of a tmpfs, which have seals; those of an image have none.
    {"fcntl F_ADD_SEALS", " 0 other"}, {"fcntl F_ADD_SEALS", " 0 rw"}, {"fcntl F_ADD_SEALS", " 0 write-only"},
    {"fcntl F_GET_SEALS", " 0 other"}, {"fcntl F_GET_SEALS", " 0 rw"}, {"fcntl F_GET_SEALS", " 0 read-only"}, {"fcntl F_GET_SEALS", " 0 write-only"},
    // Urgent data of unix streams is refused, as by a Linux that is built without CONFIG_AF_UNIX_OOB.
    {"recvfrom", " 3 bit 0"}, {"recvfrom", " 3 all bits"}, {"recvfrom", " 1 and 3 wrong"}, {"recvfrom", " 2 and 3 wrong"}, {"recvfrom", " 3 and 4 wrong"}, {"recvfrom", " 3 and 5 wrong"},
    {"recvmmsg", " 3 bit 0"}, {"recvmsg", " 2 bit 0"},
    {"sendmmsg", " 3 bit 0"}, {"sendmsg", " 2 bit 0"},
    {"sendto", " 3 bit 0"}, {"sendto", " 3 all bits"}, {"sendto", " 1 and 3 wrong"}, {"sendto", " 2 and 3 wrong"},
    {0},
};
