java Check.java
