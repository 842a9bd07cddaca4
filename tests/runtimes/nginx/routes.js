// What all samples answer, in nginx's JavaScript. Its virtual machine is new for each request: the counter is a file.
import crypto from 'crypto';
import fs from 'fs';

function count() {
    let number = 0;
    try {
        number = Number(fs.readFileSync('/tmp/calls'));
    } catch (error) {
        // The first call.
    }
    fs.writeFileSync('/tmp/calls', String(++number));
    return String(number);
}

function uuid() {
    const text = fs.readFileSync('/proc/sys/kernel/random/uuid');
    return text.toString().trim();
}

function file(body) {
    fs.writeFileSync('/tmp/written', body);
    return fs.readFileSync('/tmp/written');
}

function answer(request) {
    switch (request.uri) {
    case '/count':
        return request.return(200, count());
    case '/uuid':
        return request.return(200, uuid());
    case '/json':
        return request.return(200, JSON.stringify({ echo: JSON.parse(request.requestText) }));
    case '/body':
        return request.return(200, request.requestBuffer);
    case '/file':
        return request.return(200, file(request.requestBuffer));
    default:
        throw new Error('nobody catches this');
    }
}

export default { answer };
