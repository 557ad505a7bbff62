"""A network of small functions: routers, filters, address translation, balancers, hosts and injectors, on a virtual clock.

It implements `netprobe.live.network.Network`, so that a live diagnosis runs through it without root, sockets or waiting, and
the same seed gives the same packets. What the nodes do was measured on Linux in the namespaces of `netprobe lab`; injectors,
boxes that limit quotes and initial TTLs other than Linux's are there because Linux cannot show them.

    packets     an IP packet as a value, read from bytes and written to them
    clock       the virtual clock and what is due on it
    rows        what a node or link is: one row each
    filter, router, nat, injector     what a packet meets on its way
    tcp, services, host               what a host answers
    world       nodes and links put together: packets travel
    client      the kernel of the asking host
    network     the door that a session is given
    scenarios   the lab's scenarios as rows
"""
