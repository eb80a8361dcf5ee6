<?php
// PHP's binding: questions, topics, a poll, options, a monitor-free device loop.
$context = new ZMQContext();
$server = $context->getSocket(ZMQ::SOCKET_REP);
$server->bind("tcp://127.0.0.1:*");
$where = $server->getSockOpt(ZMQ::SOCKOPT_LAST_ENDPOINT);
$client = $context->getSocket(ZMQ::SOCKET_REQ);
$client->connect($where);
foreach (["one", str_repeat("x", 100000)] as $text) {
    $client->send($text);
    $server->send("re:" . $server->recv());
    echo strlen($client->recv()), "\n";
}
$publisher = $context->getSocket(ZMQ::SOCKET_XPUB);
$publisher->bind("inproc://topics");
$subscriber = $context->getSocket(ZMQ::SOCKET_SUB);
$subscriber->setSockOpt(ZMQ::SOCKOPT_SUBSCRIBE, "a");
$subscriber->connect("inproc://topics");
echo bin2hex($publisher->recv()), "\n";
$publisher->sendmulti(["b", "no"]);
$publisher->sendmulti(["a", "yes"]);
echo implode(" ", $subscriber->recvMulti()), "\n";
$poll = new ZMQPoll();
$poll->add($server, ZMQ::POLL_IN);
$readable = [];
$writable = [];
echo $poll->poll($readable, $writable, 0), "\n";
$client->send("wake");
echo $poll->poll($readable, $writable, 20000), " ", count($readable), "\n";
try {
    $client->send("out of turn");
} catch (ZMQSocketException $exception) {
    echo $exception->getCode(), " ", $exception->getMessage(), "\n";
}
echo $client->getSockOpt(ZMQ::SOCKOPT_SNDHWM), $client->getSockOpt(ZMQ::SOCKOPT_TYPE), "\n";
$client->setSockOpt(ZMQ::SOCKOPT_LINGER, 0);
echo "end\n";
