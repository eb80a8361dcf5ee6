"""asyncio and tornado: sockets as their loops see them, by ZMQ_FD."""

import asyncio

import tornado.ioloop
import zmq
import zmq.asyncio
from zmq.eventloop.zmqstream import ZMQStream


async def echo(context, count):
    with context.socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")

        async def serve():
            for _ in range(count):
                await router.send_multipart(await router.recv_multipart())

        async def ask(name):
            with context.socket(zmq.REQ) as req:
                req.connect(f"tcp://127.0.0.1:{port}")
                for number in range(count // 4):
                    await req.send_string(f"{name} {number}")
                    assert await req.recv_string() == f"{name} {number}"
            return name

        names = await asyncio.gather(serve(), *(ask(name) for name in "abcd"))
        print("asyncio:", names[1:])


async def topics(context):
    with context.socket(zmq.XPUB) as pub, context.socket(zmq.SUB) as sub:
        port = pub.bind_to_random_port("tcp://127.0.0.1")
        sub.subscribe("t")
        sub.connect(f"tcp://127.0.0.1:{port}")
        print("asyncio:", await pub.recv())
        poller = zmq.asyncio.Poller()
        poller.register(sub, zmq.POLLIN)
        print("asyncio:", await poller.poll(0))
        for number in range(100):
            await pub.send_string(f"t{number}")
        print("asyncio:", len(await poller.poll(20000)), [await sub.recv_string() for _ in range(100)][-1])
        try:
            await asyncio.wait_for(sub.recv(), 0.05)
        except asyncio.TimeoutError:
            print("asyncio: nothing more")


def streams():
    loop = tornado.ioloop.IOLoop.current()
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
    reader, writer, seen = ZMQStream(pull), ZMQStream(push), []

    def on_recv(parts):
        seen.append(parts)
        if len(seen) == 1000:
            loop.stop()

    reader.on_recv(on_recv)
    for number in range(1000):
        writer.send_multipart([b"n", str(number).encode()])
    loop.start()
    print("tornado:", len(seen), seen[0], seen[-1])
    reader.close()
    writer.close()
    context.term()


def main():
    context = zmq.asyncio.Context()
    asyncio.run(echo(context, 400))
    asyncio.run(topics(context))
    context.term()
    asyncio.set_event_loop(asyncio.new_event_loop())
    streams()
    print("end")


main()
