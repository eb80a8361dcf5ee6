// A worker and its clients, a poller, a monitor and multipart messages, as cppzmq writes them.

#include <iostream>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>
#include <zmq_addon.hpp>

static void serve(zmq::context_t &context, const std::string &endpoint)
{
    zmq::socket_t socket(context, zmq::socket_type::rep);

    socket.connect(endpoint);
    for (int i = 0; i < 3; i++) {
        zmq::message_t request;

        if (!socket.recv(request))
            return;
        socket.send(zmq::buffer("re:" + request.to_string()), zmq::send_flags::none);
    }
}

int main()
{
    zmq::context_t context(1);
    zmq::socket_t router(context, zmq::socket_type::router);
    zmq::socket_t dealer(context, zmq::socket_type::dealer);
    zmq::socket_t request(context, zmq::socket_type::req);

    router.bind("tcp://127.0.0.1:*");
    dealer.bind("tcp://127.0.0.1:*");
    request.set(zmq::sockopt::routing_id, "client");
    request.connect(router.get(zmq::sockopt::last_endpoint));
    std::thread worker(serve, std::ref(context), dealer.get(zmq::sockopt::last_endpoint));

    for (const char *text : {"one", "two", "three"}) {
        zmq::message_t reply;

        request.send(zmq::buffer(std::string(text)), zmq::send_flags::none);
        std::vector<zmq::message_t> parts;
        auto count = zmq::recv_multipart(router, std::back_inserter(parts));
        std::cout << "router: " << *count << " parts from " << parts[0].to_string() << ", "
                  << parts[2].gets("Socket-Type") << " at " << parts[2].gets("Peer-Address") << "\n";
        zmq::send_multipart(dealer, parts);
        parts.clear();
        (void) zmq::recv_multipart(dealer, std::back_inserter(parts));
        zmq::send_multipart(router, parts);
        (void) request.recv(reply);
        std::cout << "client: " << reply.to_string() << "\n";
    }
    worker.join();

    zmq::pollitem_t items[] = {{request.handle(), 0, ZMQ_POLLOUT, 0}, {router.handle(), 0, ZMQ_POLLIN, 0}};
    std::cout << "poll: " << zmq::poll(items, 2, std::chrono::milliseconds(0)) << " "
              << items[0].revents << items[1].revents << "\n";
    try {
        request.bind("tcp://999.0.0.1:1");
    } catch (const zmq::error_t &error) {
        std::cout << "error: " << error.num() << "\n";
    }
    zmq::message_t none;
    std::cout << "nothing: " << router.recv(none, zmq::recv_flags::dontwait).has_value() << "\n";
    std::cout << "end\n";
    return 0;
}
