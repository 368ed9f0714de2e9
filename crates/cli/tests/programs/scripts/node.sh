node node.js
node cluster.js
