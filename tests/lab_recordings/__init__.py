"""Record the sample captures: real SSH failures, seen from the client's network interface.

Every sample gets a fresh little network of Linux namespaces::

    client --- r1 --- (line, 4 ms each way) --- r2 --- server, for some samples also machines beside the server
    hop 0      1                                2      3

The recorder breaks it in one way, runs the real ``ssh`` in the client's namespace while tcpdump records there,
asks tshark whether the packets show what the sample claims, and only then keeps the file.  It needs root,
iproute2, nftables, tcpdump, tshark, OpenSSH (client and server), HAProxy and, for one sample, dropbear.  All
addresses are documentation addresses, and no packet leaves the namespaces.

    sudo python3 -m tests.lab_recordings                      # all of them, about six minutes
    sudo python3 -m tests.lab_recordings --only forged-reset

``samples.toml`` beside the captures is written too: the truth lives in ``scenarios``.

    lab        the network of one sample, and what runs in it
    helpers    small programs that run inside a namespace; injector: those that send packets in others' names
    sample     what a sample is, and words for the frames that it must show
    scenarios  the samples by kind
    keep       recording, checking, samples.toml
"""
